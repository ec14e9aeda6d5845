"""A run that is killed and started again ends as one that was not."""

import json
import os
import random
import signal
import time

import numpy as np
import pytest

from femo_jax.train.checkpoints import load_for_inference

CLOCK = ("seconds", "images_per_second")


def log(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in CLOCK} for line in lines]


def weights(workdir):
    variables = load_for_inference(workdir).variables
    return json.dumps(variables, default=lambda array: np.asarray(array).tobytes().hex())


def assert_same_run(one, other):
    assert log(one) == log(other)
    assert weights(one) == weights(other)


def wait_for(condition, process, seconds=120):
    """Waits until the condition holds, or the process is over before it does."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def lines_written(workdir):
    path = workdir / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


AFTER_AN_EPOCH = """
import pathlib, time
from femo_jax.train import loop

append_record = loop.append_record

def append_and_wait(path, record):
    append_record(path, record)
    while path.read_text().count("\\n") == 2 and not pathlib.Path({go!r}).exists():
        time.sleep(0.01)

loop.append_record = append_and_wait
"""
"""A run goes on after its first epoch when there is a file: it is never over before the test has sent its signal."""


@pytest.mark.integration
@pytest.mark.parametrize("moment", ["before the first checkpoint", "while it trains", "right after an epoch's log"])
def test_killed_at_a_random_step_and_resumed(femo, trained, tmp_path, moment):
    workdir = tmp_path / "run"
    process = femo.start(*femo.train_arguments(workdir))
    lines = {"before the first checkpoint": 0, "while it trains": 2, "right after an epoch's log": 4}[moment]
    wait_for(lambda: (workdir / "config.json").exists() and lines_written(workdir) >= lines, process)
    if moment == "while it trains":
        time.sleep(random.uniform(0.0, 0.4))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    femo.run(*femo.train_arguments(workdir))
    assert_same_run(workdir, trained)


@pytest.mark.integration
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_saves_and_goes_on_later(femo, trained, tmp_path, kind):
    workdir = tmp_path / "run"
    go = tmp_path / "go"
    process = femo.start(*femo.train_arguments(workdir), setup=AFTER_AN_EPOCH.format(go=str(go)))
    wait_for(lambda: lines_written(workdir) >= 2, process)
    os.kill(process.pid, kind)
    go.touch()
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 128 + kind, errors
    assert "resumes from there" in errors
    femo.run(*femo.train_arguments(workdir))
    assert_same_run(workdir, trained)


@pytest.mark.integration
def test_a_killed_sweep_resumes_and_leaves_finished_runs_alone(femo, tmp_path):
    workdir = tmp_path / "W"
    command = [
        "sweep",
        femo.config,
        "--data",
        femo.data,
        "--workdir",
        workdir,
        "--loader",
        "numpy",
        "--seeds",
        "0",
        "1",
    ]
    process = femo.start(*command)
    wait_for((workdir / "small" / "seed1" / "config.json").exists, process)
    process.kill()
    process.communicate()
    before = (workdir / "small" / "seed0" / "metrics.jsonl").stat().st_mtime_ns
    femo.run(*command)
    (row,) = json.loads((workdir / "sweep.json").read_text())
    assert row["seeds"] == [0, 1]
    assert (workdir / "small" / "seed0" / "metrics.jsonl").stat().st_mtime_ns == before
