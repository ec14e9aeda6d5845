import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest

from femo_jax import files
from femo_jax.errors import ConfigError, FemoError
from femo_jax.files import (
    check_outputs_are_not_inputs,
    check_writable,
    library_path,
    printable,
    replacing,
    write_json,
    write_text,
)

NOT_UTF8 = os.fsdecode(b"caf\xe9")


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


def test_a_full_disk_is_reported_with_the_path(tmp_path, monkeypatch):
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


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_an_existing_file_keeps_its_permissions_and_is_never_more_open_than_that(tmp_path, mode):
    path = tmp_path / "secret.json"
    path.touch()
    path.chmod(mode)
    with replacing(path) as beside:
        assert stat.S_IMODE(beside.stat().st_mode) & ~mode == 0
        beside.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_text() == "new"


def test_the_umask_of_the_process_is_never_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("other threads create files meanwhile"))
    write_text(tmp_path / "a", "")


def test_contents_are_flushed_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    flushed = []

    def fsync(file, really=os.fsync):
        folder = stat.S_ISDIR(os.fstat(file).st_mode)
        flushed.append("folder" if folder else os.pread(file, 100, 0))
        assert (tmp_path / "a").exists() == folder
        really(file)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a", "new")
    assert flushed == [b"new", "folder"]


@pytest.mark.parametrize("name", ["n" * 246 + ".png", "é" * 123 + ".png", "a." + "s" * 253, "n" * 255])
def test_names_of_up_to_255_bytes_can_be_written(tmp_path, name):
    path = tmp_path / name
    with replacing(path) as beside:
        assert len(os.fsencode(beside.name)) <= 30
        assert beside.suffix == (".png" if name.endswith(".png") else "")
        beside.write_text("new")
    assert path.read_text() == "new"
    check_writable(path)


def test_a_name_that_is_too_long_is_an_error_in_words(tmp_path):
    for function in (check_writable, lambda path: write_text(path, "")):
        with pytest.raises(FemoError, match="File name too long"):
            function(tmp_path / ("n" * 256))


_UNTIL_KILLED = """
import sys, time
from femo_jax.files import replacing
with replacing(sys.argv[1]) as beside:
    beside.write_text("half")
    print(beside, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", _UNTIL_KILLED, tmp_path / name], stdout=subprocess.PIPE, text=True)
        for name in ("killed.mp4", "running.mp4")
    ]
    try:
        killed, running = (Path(writer.stdout.readline().strip()) for writer in writers)
        foreign = [tmp_path / name for name in (".femo-notes.txt", ".killed-0123abcd.mp4", "femo-0123abcd.mp4")]
        for path in foreign:
            path.touch()
        writers[0].send_signal(signal.SIGKILL)
        writers[0].wait()
        assert killed.exists()
        write_text(tmp_path / "new.txt", "")
        assert not killed.exists()
        assert running.exists()
        assert all(path.exists() for path in foreign)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_leftovers_of_other_users_and_links_stay(tmp_path, monkeypatch):
    (tmp_path / "kept").touch()
    (tmp_path / ".femo-01234567").symlink_to("kept")
    (tmp_path / ".femo-89abcdef.txt").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    write_text(tmp_path / "new.txt", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".femo-01234567",
        ".femo-89abcdef.txt",
        "kept",
        "new.txt",
    ]


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


def test_a_pipe_that_nothing_reads_is_an_error_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PIPE_TIMEOUT", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FemoError, match=r"pipe: could not be written .a pipe that no program reads"):
        write_text(tmp_path / "pipe", "new")


def test_a_full_device_is_an_error_in_words():
    with pytest.raises(FemoError, match=r"/dev/full: could not be written .No space left"):
        write_text("/dev/full", "new")


def test_a_pipe_whose_reader_has_ended_is_not_called_full():
    read, write = os.pipe()
    os.close(read)
    try:
        with pytest.raises(FemoError, match=r"could not be written: the program that read it has ended"):
            write_text(f"/proc/self/fd/{write}", "new")
    finally:
        os.close(write)


def test_the_end_of_who_reads_standard_output_is_left_to_the_caller(capfd):
    read, write = os.pipe()
    before = os.dup(1)
    os.close(read)
    os.dup2(write, 1)
    try:
        with pytest.raises(BrokenPipeError):
            write_text("/dev/stdout", "new")
    finally:
        os.dup2(before, 1)
        os.close(before)
        os.close(write)


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
    with pytest.raises(FemoError, match=r"a: is a folder. Name a file"):
        write_text(tmp_path / "a", "")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_names_that_are_no_utf8_keep_their_bytes_in_files_and_can_be_printed(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    write_text(tmp_path / "names.csv", name)
    assert (tmp_path / "names.csv").read_bytes() == b"caf\xe9.jpg"
    assert printable(Path(name)) == "caf\ufffd.jpg"
    assert printable("a\x1b]0;title\x07\n\u202eb") == r"a\x1b]0;title\x07\n\u202eb"
    assert printable("lone\ud800surrogate.jpg") == "lone\ufffdsurrogate.jpg"
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


def test_an_output_that_is_an_input_is_refused_whatever_its_name(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("0")
    (tmp_path / "hard.csv").hardlink_to(data)
    (tmp_path / "soft.csv").symlink_to("data.csv")
    for name in ("data.csv", "hard.csv", "soft.csv", "../" + tmp_path.name + "/data.csv"):
        with pytest.raises(ConfigError, match=r"also an input.* Give --json another"):
            check_outputs_are_not_inputs({"--json": tmp_path / name, "--csv": None}, [tmp_path / "other", data])
    assert data.read_text() == "0"
    check_outputs_are_not_inputs({"--json": tmp_path / "new.json", "--csv": "-"}, [data, "-"])


def test_the_file_that_the_standard_output_is_redirected_to_is_not_an_input(tmp_path):
    with (tmp_path / "data.csv").open("w") as file, pytest.raises(ConfigError, match="also an input"):
        check_outputs_are_not_inputs({"--json": f"/proc/self/fd/{file.fileno()}"}, [tmp_path / "data.csv"])


def test_two_outputs_are_two_files_but_may_be_one_device(tmp_path):
    (tmp_path / "link").symlink_to("new.json")  # dangling until it is written
    with pytest.raises(ConfigError, match=r"--json and --log\. Give each"):
        check_outputs_are_not_inputs({"--json": tmp_path / "new.json", "--log": tmp_path / "link"}, [])
    check_outputs_are_not_inputs({"--json": "/dev/null", "--log": "/dev/null"}, ["/dev/null"])


def test_a_name_that_is_not_utf8_reaches_a_library_by_a_link(tmp_path):
    folder = tmp_path / NOT_UTF8
    folder.mkdir()
    model = folder / f"{NOT_UTF8}.yml"
    with library_path(model) as path:
        assert path.isascii()
        assert Path(path).suffix == ".yml"
        storage = cv2.FileStorage(path, cv2.FILE_STORAGE_WRITE)
        storage.write("n", 3)
        storage.release()
    assert not Path(path).parent.exists()
    assert "n: 3" in model.read_text()
    with library_path(tmp_path / "plain.yml") as path:
        assert path == str(tmp_path / "plain.yml")


def test_a_name_that_is_not_utf8_is_refused_where_no_link_can_help(tmp_path, monkeypatch):
    (tmp_path / NOT_UTF8).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / NOT_UTF8))
    with pytest.raises(FemoError, match=r"not valid UTF-8.* Rename it"), library_path(tmp_path / f"{NOT_UTF8}.yml"):
        pytest.fail("there is no path to give")
