"""Run folders: the lock, what is refused, and damaged files."""

import dataclasses
import errno
import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from femo_jax.errors import CheckpointError, ConfigError
from femo_jax.files import write_json
from femo_jax.ops import Choice
from femo_jax.train.config import TrainConfig, as_dict
from femo_jax.train.workdir import (
    CONFIG_FILE,
    LOCK_FILE,
    append_record,
    claim_workdir,
    keep_records_until,
    locked,
    read_records,
    read_run_record,
    remove_run,
)

CHOICE = Choice("xla", "float32", "as asked")
DATA = {"train": {"n": 3, "sha256": "a"}, "validation": {"n": 2, "sha256": "b"}}


def test_a_locked_workdir_is_refused_with_the_process_and_its_host(tmp_path):
    refused = pytest.raises(ConfigError, match=rf"process {os.getpid()} on .* trains in it")
    with locked(tmp_path / "run"), refused, locked(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / LOCK_FILE).exists()
    with locked(tmp_path / "run"):
        pass


def test_the_lock_of_a_process_that_was_killed_does_not_last(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from femo_jax.train.workdir import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    assert (tmp_path / LOCK_FILE).exists()
    with locked(tmp_path):
        pass


@pytest.fixture
def claimed(tmp_path):
    """The workdir of a new run."""
    claim_workdir(tmp_path, TrainConfig(), DATA, CHOICE, write=True)
    return tmp_path


def test_results_without_checkpoints_are_refused_and_kept(claimed):
    (claimed / "metrics.jsonl").write_text('{"epoch": 1}\n')
    (claimed / "best" / "6").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"has metrics\.jsonl and best/ but no checkpoint in .*--restart"):
        claim_workdir(claimed, TrainConfig(), DATA, CHOICE, write=True)
    assert (claimed / "best" / "6").exists()
    remove_run(claimed)
    assert claim_workdir(claimed, TrainConfig(epochs=3), DATA, CHOICE, write=True) == []


def test_more_epochs_lengthen_a_run_and_fewer_are_refused(claimed):
    (claimed / "checkpoints" / "6").mkdir(parents=True)
    (note,) = claim_workdir(claimed, TrainConfig(epochs=30), DATA, CHOICE, write=True)
    assert "the run of 20 epochs is lengthened to 30" in note
    assert read_run_record(claimed)["config"]["epochs"] == 30
    with pytest.raises(ConfigError, match=r"epochs: 30 before, 20 now(.|\n)*only epochs may grow"):
        claim_workdir(claimed, TrainConfig(), DATA, CHOICE, write=True)


def test_resuming_on_other_cores_warns_that_metrics_agree_up_to_rounding_only(claimed):
    record = json.loads((claimed / CONFIG_FILE).read_text())
    record["environment"]["cores"] += 1
    write_json(claimed / CONFIG_FILE, record)
    (note,) = claim_workdir(claimed, TrainConfig(), DATA, CHOICE, write=True)
    assert "began with cores" in note and "not bit for bit" in note


@pytest.mark.parametrize(
    ("before", "now"),
    [({"soft_labels": "a.st"}, {"soft_labels": "elsewhere/a.st"}), ({"teachers": ("a",)}, {"teachers": ("runs/a",)})],
)
def test_soft_labels_and_teachers_are_compared_by_content_not_path(before, now, tmp_path):
    config = TrainConfig(**before, distillation_weight=0.5)
    claim_workdir(tmp_path, config, DATA, CHOICE, write=True)
    moved = dataclasses.replace(config, **now)
    assert claim_workdir(tmp_path, moved, DATA, CHOICE, write=True) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(["config", "data", "environment", *as_dict(TrainConfig())]), value=json_values)
def test_any_value_in_config_json_is_read_or_refused(tmp_path, field, value):
    record = {"config": as_dict(TrainConfig()), "data": DATA, "environment": {}}
    (record if field in record else record["config"])[field] = value
    (tmp_path / CONFIG_FILE).write_text(json.dumps(record))
    try:
        read_run_record(tmp_path)
    except CheckpointError as error:
        assert CONFIG_FILE in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_any_metric_log_and_config_json_is_read_or_refused(tmp_path, contents):
    for name, read in (
        ("metrics.jsonl", lambda: read_records(tmp_path / "metrics.jsonl")),
        (CONFIG_FILE, lambda: read_run_record(tmp_path)),
    ):
        (tmp_path / name).write_bytes(contents)
        try:
            read()
        except CheckpointError as error:
            assert name in str(error)


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


def test_a_damaged_line_is_refused_with_its_number(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1, "split": "train", "step": 1}\n{"step": \n')
    with pytest.raises(CheckpointError, match="line 2"):
        read_records(path)


def test_records_after_the_checkpoint_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (10, 10, 20, 30):
        append_record(path, {"epoch": 1, "split": "train", "step": step})
    assert [record["step"] for record in keep_records_until(path, 20)] == [10, 10, 20]
    assert len(read_records(path)) == 3


def test_nan_is_refused(tmp_path):
    with pytest.raises(ValueError):
        append_record(tmp_path / "metrics.jsonl", {"loss": float("inf")})


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(bytes(range(256)))
    with pytest.raises(CheckpointError, match="line 1"):
        read_records(tmp_path / "metrics.jsonl")


def test_a_full_disk_is_reported_and_leaves_a_log_that_can_be_read(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    append_record(path, {"epoch": 1, "split": "train", "step": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl.*No space left"):
        append_record(path, {"epoch": 1, "split": "train", "step": 2})
    assert read_records(path)[0] == {"epoch": 1, "split": "train", "step": 1}


def test_a_missing_log_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl"):
        read_records(tmp_path / "metrics.jsonl")
