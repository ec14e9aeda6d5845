import os

import pytest

from femo_jax.data.origin import fingerprint
from femo_jax.errors import DataError


def test_a_file_is_told_by_path_size_and_time(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("one")
    first = fingerprint(path)
    assert fingerprint(path) == first
    assert first["path"] == str(path.resolve())
    os.utime(path, ns=(1, 1))
    later = fingerprint(path)
    path.write_text("longer")
    os.utime(path, ns=(1, 1))
    (tmp_path / "b.csv").write_text("longer")
    os.utime(tmp_path / "b.csv", ns=(1, 1))
    digests = {print_["digest"] for print_ in (first, later, fingerprint(path), fingerprint(tmp_path / "b.csv"))}
    assert len(digests) == 4


def test_a_folder_is_told_by_the_names_and_sizes_inside(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.jpg").write_text("a")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / "train" / "b.jpg").write_text("a")
    second = fingerprint(tmp_path)
    (tmp_path / "train" / "b.jpg").write_text("aa")
    assert len({first["digest"], second["digest"], fingerprint(tmp_path)["digest"]}) == 3


def test_in_a_folder_the_time_counts_of_tables_and_not_of_pictures(tmp_path):
    """A corrected label leaves a table's size as it was; pictures may be unpacked anew."""
    for name in ("fer2013.csv", "a.jpg"):
        (tmp_path / name).write_text("3")
        os.utime(tmp_path / name, ns=(1, 1))
    first = fingerprint(tmp_path)
    os.utime(tmp_path / "a.jpg", ns=(2, 2))
    assert fingerprint(tmp_path) == first
    os.utime(tmp_path / "fer2013.csv", ns=(2, 2))
    assert fingerprint(tmp_path) != first


def test_relative_and_absolute_paths_are_one(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("one")
    monkeypatch.chdir(tmp_path)
    assert fingerprint("a.csv") == fingerprint(tmp_path / "a.csv")


def test_missing_path():
    with pytest.raises(DataError, match="no such file"):
        fingerprint("nowhere.zip")
