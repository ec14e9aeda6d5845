import errno
import os

import pytest

from femo_jax.errors import CheckpointError
from femo_jax.train.metric_log import append_record, keep_records_until, read_records


def test_records_come_back_in_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    records = [
        {"epoch": 1, "split": "train", "step": 1, "loss": 0.1 + 0.2},
        {"epoch": 1, "split": "train", "step": 2, "loss": 1e-9},
    ]
    for record in records:
        append_record(path, record)
    assert read_records(path) == records


def test_a_half_written_last_line_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_record(path, {"epoch": 1, "split": "train", "step": 1})
    with path.open("a") as file:
        file.write('{"epoch": 1, "split": "train", "step": 2, "lo')
    assert read_records(path) == [{"epoch": 1, "split": "train", "step": 1}]
    assert keep_records_until(path, 5) == [{"epoch": 1, "split": "train", "step": 1}]
    append_record(path, {"epoch": 1, "split": "train", "step": 2})
    assert [record["step"] for record in read_records(path)] == [1, 2]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1, "split": "train", "step": 1}\n{"step": \n')
    with pytest.raises(CheckpointError, match="line 2"):
        read_records(path)


def test_what_was_logged_after_a_step_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (10, 10, 20, 30):
        append_record(path, {"epoch": 1, "split": "train", "step": step})
    assert [record["step"] for record in keep_records_until(path, 20)] == [10, 10, 20]
    assert len(read_records(path)) == 3


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(ValueError):
        append_record(tmp_path / "metrics.jsonl", {"loss": float("inf")})


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(bytes(range(256)))
    with pytest.raises(CheckpointError, match="line 1"):
        read_records(tmp_path / "metrics.jsonl")


def test_a_full_disk_is_told_and_leaves_a_log_that_can_be_read(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    append_record(path, {"epoch": 1, "split": "train", "step": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl.*No space left"):
        append_record(path, {"epoch": 1, "split": "train", "step": 2})
    assert read_records(path)[0] == {"epoch": 1, "split": "train", "step": 1}


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl"):
        read_records(tmp_path / "metrics.jsonl")
