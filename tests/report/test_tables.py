import csv
import sys

import pandas
import pytest

from femo_jax.errors import ConfigError, FemoError
from femo_jax.report.log import load_log
from femo_jax.report.tables import write_tables

from .conftest import face_entry, frame_line


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pandas.read_csv), (".parquet", pandas.read_parquet)])
def test_tables_that_pandas_reads(two_faces, tmp_path, suffix, read):
    paths = write_tables(load_log(two_faces), tmp_path / f"faces{suffix}", 2.0)
    assert [path.name for path in paths] == [f"faces{suffix}", f"faces-intervals{suffix}", f"faces-steps{suffix}"]
    faces, found, steps = map(read, paths)
    assert (len(faces), len(found), len(steps)) == (120, 4, 6)
    assert found.label.tolist() == ["happy", "happy", "sad", "neutral"]
    assert found.uncertain.tolist() == [False, True, False, False]
    assert found.seconds.sum() == pytest.approx(12)
    assert faces.p_happy.iloc[0] == 0.8


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_of_a_log_without_faces(write_log, tmp_path, suffix):
    faces, found = write_tables(load_log(write_log(frame_line(0, []))), tmp_path / f"faces{suffix}")
    assert faces.stat().st_size > 0
    read = pandas.read_csv if suffix == ".csv" else pandas.read_parquet
    assert len(read(faces)) == len(read(found)) == 0
    assert "label" in read(faces).columns


def test_faces_without_a_track_have_no_id(write_log, tmp_path):
    faces, _ = write_tables(load_log(write_log(frame_line(0, [face_entry("sad", None)]))), tmp_path / "faces.csv")
    (row,) = csv.DictReader(faces.open())
    assert (row["id"], row["age"], row["label"]) == ("", "", "sad")


def test_other_suffixes_are_refused(two_faces, tmp_path):
    with pytest.raises(ConfigError, match=r"\.csv or \.parquet"):
        write_tables(load_log(two_faces), tmp_path / "faces.xlsx")


def test_without_pyarrow_the_message_names_the_extra(two_faces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FemoError, match=r"femo-jax\[tables\]"):
        write_tables(load_log(two_faces), tmp_path / "faces.parquet")
    assert not (tmp_path / "faces.parquet").exists()
