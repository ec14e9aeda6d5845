import os

import pytest

from femo_jax.data.identity import Record, check_files, digest_of_file, fingerprint, read_record, write_record
from femo_jax.errors import DataError


def digest(path):
    return fingerprint(path)["digest"]


def test_content_decides_and_not_name_or_time(tmp_path):
    path, copy = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("one")
    copy.write_text("one")
    first = fingerprint(path)
    assert first["path"] == str(path.resolve())
    os.utime(path, ns=(1, 1))
    assert digest(path) == digest(copy) == first["digest"]
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert digest(path) != first["digest"]


def test_a_folder_is_the_names_and_contents_inside(tmp_path):
    (tmp_path / "train").mkdir()
    image = tmp_path / "train" / "a.jpg"
    image.write_text("a")
    digests = [digest(tmp_path)]
    image.write_text("b")
    digests.append(digest(tmp_path))
    image.rename(image.with_name("b.jpg"))
    digests.append(digest(tmp_path))
    assert len(set(digests)) == 3


def test_hidden_files_and_time_stamps_do_not_count(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.jpg").write_text("a")
    first = digest(tmp_path)
    for junk in (".DS_Store", "train/.DS_Store", "train/Thumbs.db"):
        (tmp_path / junk).write_text("junk")
    os.utime(tmp_path / "train" / "a.jpg", ns=(1, 1))
    os.utime(tmp_path / "train", ns=(1, 1))
    assert digest(tmp_path) == first


def test_a_known_digest_is_not_computed_again_and_a_changed_file_is(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("one")
    monkeypatch.setattr("femo_jax.data.identity._SETTLED_NS", -1)
    first = digest(path)
    with monkeypatch.context() as context:
        context.setattr("femo_jax.data.identity.digest_of_file", lambda _: pytest.fail("read again"))
        assert digest(path) == first
    path.write_text("longer")
    assert digest(path) != first


def test_names_that_are_not_utf8(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.jpg")).write_text("a")
    assert len(digest(tmp_path)) == 64


def test_relative_and_absolute_paths_are_one(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("one")
    monkeypatch.chdir(tmp_path)
    assert fingerprint("a.csv") == fingerprint(tmp_path / "a.csv")


def test_missing_path():
    with pytest.raises(DataError, match="no such file"):
        fingerprint("nowhere.zip")


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = Record({"path": "a", "digest": "1"}, None, {"x": "2"}, {"train": 3}, ("notes.txt",))
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_a_record_of_femo_0_1_is_read(tmp_path):
    (tmp_path / "source.json").write_text('{"source": {"path": "a", "digest": "1"}, "ferplus": null}')
    assert read_record(tmp_path) == Record({"path": "a", "digest": "1"})


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"source": 3, "ferplus": null}', b"[" * 100_000]
)
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "source.json").write_bytes(content)
    with pytest.raises(DataError, match=r"source\.json: cannot be read or is damaged .*--overwrite"):
        read_record(tmp_path)


def test_changed_and_missing_files_are_named(tmp_path):
    (tmp_path / "a").write_text("a")
    record = Record({"path": "", "digest": ""}, files={name: digest_of_file(tmp_path / "a") for name in "ab"})
    check_files(tmp_path, record, ["a"])
    with pytest.raises(DataError, match="b: is missing"):
        check_files(tmp_path, record, ["a", "b"])
    (tmp_path / "a").write_text("b")
    with pytest.raises(DataError, match="a: is damaged"):
        check_files(tmp_path, record, ["a"])
