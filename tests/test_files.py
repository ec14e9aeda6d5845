import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from femo_jax.errors import FemoError
from femo_jax.files import check_writable, printable, replacing, write_json, write_text


def test_writes_as_a_whole(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"n": 1})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"n": 1}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


def test_an_error_keeps_the_old_contents_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_path(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(self, *_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(FemoError, match=r"a\.txt.*No space left"):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_text(tmp_path / "a", "")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_symbolic_link_stays_one_and_leads_to_the_new_contents(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("old.txt", "none.txt"):
        (tmp_path / f"link-{name}").symlink_to(Path("data") / name)
    write_text(tmp_path / "data" / "old.txt", "old")
    for name in ("old.txt", "none.txt"):
        link = tmp_path / f"link-{name}"
        with replacing(link) as beside:
            assert (beside.parent, beside.suffix) == (tmp_path / "data", ".txt")
            beside.write_text("new")
        assert link.is_symlink()
        assert (tmp_path / "data" / name).read_text() == "new"
    assert len(list((tmp_path / "data").iterdir())) == 2


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_takes_the_contents_and_stays_one(tmp_path, linked):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = tmp_path / "link" if linked else pipe
    if linked:
        path.symlink_to(pipe)
    before = sorted(tmp_path.iterdir())
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_text(path, "new")
    reader.join(5)
    assert read == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == before


def test_a_pipe_gets_nothing_of_what_failed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RuntimeError), replacing(tmp_path / "pipe") as beside:
        beside.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_an_open_pipe_by_its_number_is_written_to():
    """As /dev/stdout is one in a pipeline: a link that leads to no path."""
    read, write = os.pipe()
    try:
        write_text(f"/proc/self/fd/{write}", "new")
        assert os.read(read, 100) == b"new"
    finally:
        os.close(read)
        os.close(write)


def test_an_open_file_by_its_number_is_added_to(tmp_path):
    """As /dev/stdout is one behind `>> all.csv`."""
    path = tmp_path / "all.csv"
    path.write_text("old\n")
    with path.open("a") as file:
        write_text(f"/proc/self/fd/{file.fileno()}", "new\n")
        file.write("after\n")
    assert path.read_text() == "old\nnew\nafter\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_not_written_over(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(FemoError, match="a: could not be written"):
        write_text(tmp_path / "a", "")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_names_that_are_no_utf8_keep_their_bytes_in_files_and_can_be_printed(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    write_text(tmp_path / "names.csv", name)
    assert (tmp_path / "names.csv").read_bytes() == b"caf\xe9.jpg"
    assert printable(Path(name)) == "caf\ufffd.jpg"
    assert printable("café.jpg") == "café.jpg"


def test_a_place_to_write_to_is_found_without_making_it(tmp_path):
    check_writable(tmp_path / "new" / "folder" / "a.png")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FemoError, match="is a folder"):
        check_writable(tmp_path)
    (tmp_path / "file").touch()
    check_writable(tmp_path / "file")
    with pytest.raises(FemoError, match=r"a\.png: cannot be written, since .*file is no folder"):
        check_writable(tmp_path / "file" / "a.png")
