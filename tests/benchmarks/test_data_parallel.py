import json
import os

import data_parallel
import pytest
from data_parallel import Options, efficiencies, main

from femo_jax.errors import FemoError

WORKER = """
import json, sys
core, batch, steps, epochs, *group = sys.argv[1:]
if group and int(group[1]) > 2:
    sys.exit("no port")
print("[Gloo] Rank 0 is connected")
print(json.dumps(int(batch) / 1000 / (int(group[1]) if group else 1) + (0.01 if group else 0)))
"""
"""A step takes a millisecond an image, and two processes exchange gradients for ten milliseconds."""


def test_what_cannot_be_measured_is_estimated():
    of = efficiencies({1: 800.0, 2: 400.0, 4: 220.0, 8: 120.0}, {2: 450.0})
    assert of["estimated"] == [4, 8]
    assert of["together_ms"] == {"1": 800.0, "2": 450.0, "4": 220 + 50 * 1.5, "8": 120 + 50 * 1.75}
    assert of["efficiency"]["2"] == pytest.approx(800 / 900)
    assert efficiencies({1: 800.0, 2: 400.0}, {})["efficiency"] == {"1": 1.0}


@pytest.fixture
def two_cores(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    monkeypatch.setattr(data_parallel, "WORKER", worker)
    monkeypatch.setattr(data_parallel.ProcessorTime, "share_beside", lambda *_: 0.02)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def test_each_number_of_processes_has_its_line(two_cores, tmp_path, capsys):
    main(Options(json=tmp_path / "parallel.json", rounds=1))
    report = json.loads((tmp_path / "parallel.json").read_text())
    assert report["alone_ms"] == pytest.approx({"1": 128, "2": 64, "4": 32, "8": 16})
    assert report["together_ms"] == pytest.approx({"1": 128, "2": 74, "4": 47, "8": 33.5})
    assert report["efficiency"]["8"] == pytest.approx(128 / (8 * 33.5))
    printed = capsys.readouterr().out.splitlines()
    assert [line.endswith("(estimate)") for line in printed[1:5]] == [False, False, True, True]
    assert printed[5] == "other programs took 2% of the processors' time"


def test_a_process_that_fails_is_named_with_its_words(two_cores, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    with pytest.raises(FemoError, match="a process of 4 failed:\nno port"):
        main(Options(rounds=1))
    with pytest.raises(FemoError, match="--batch is 100: expected a multiple of 8"):
        main(Options(batch=100))


def test_a_worker_takes_steps(tmp_path, monkeypatch):
    """A process of its own, with the core that it is given."""
    core = min(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {core})
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    assert data_parallel.step_seconds(Options(steps=1, epochs=1), 8, 1, tmp_path) > 0
