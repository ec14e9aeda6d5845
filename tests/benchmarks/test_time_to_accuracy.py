"""A program that prints as `femo train` does; real runs take an empty cache, and minutes."""

import io
import json
import sys

import pytest
import time_to_accuracy
from rich.console import Console
from time_to_accuracy import EPOCH, Options

from femo_jax.errors import FemoError
from femo_jax.train.progress import ConsoleReporter

ENVIRONMENT = {"device": "NVIDIA H200", "ops": "xla"}


def line(epoch: int, accuracy: float) -> str:
    """What an epoch of a run prints."""
    text = io.StringIO()
    record = {"epoch": epoch, "loss": 1.2, "accuracy": accuracy, "images_per_second": 5e4, "seconds": 0.5}
    ConsoleReporter(Console(file=text), 100).epoch({**record, "accuracy": 0.9}, record, best=True)
    return text.getvalue()


@pytest.fixture
def femo(tmp_path, monkeypatch):
    """A function that has `femo` print epochs of these accuracies, and then wait or end with a code."""

    def prints(*accuracies: float, waits: bool = False, code: int = 0) -> None:
        text = "".join(line(epoch, accuracy) for epoch, accuracy in enumerate(accuracies, start=1))
        script = tmp_path / "femo.py"
        script.write_text(
            "import os, sys, time\n"
            "print(sys.argv[1:], os.environ['FEMO_CACHE'], file=sys.stderr)\n"
            f"print({text!r}, file=sys.stderr, flush=True)\n"
            f"time.sleep({600 if waits else 0})\n"
            f"sys.exit({code})\n"
        )
        monkeypatch.setattr(time_to_accuracy, "FEMO", (sys.executable, str(script)))

    monkeypatch.setattr(time_to_accuracy, "read_run_record", lambda workdir: {"environment": ENVIRONMENT})
    monkeypatch.setattr(time_to_accuracy.ProcessorTime, "share_beside", lambda *_: 0.02)
    return prints


def test_an_epoch_is_read_from_what_the_run_prints():
    found = EPOCH.search(line(7, 0.70019))
    assert found and (found["epoch"], found["accuracy"]) == ("7", "70.02")


def test_the_clock_stops_where_the_accuracy_is_reached(femo, tmp_path, capsys):
    """And the run is ended."""
    femo(0.5, 0.71, 0.72, waits=True)
    time_to_accuracy.main(Options("fer2013.zip", seeds=(3,), json=tmp_path / "time.json"))
    report = json.loads((tmp_path / "time.json").read_text())
    (run,) = report["runs"]
    assert (run["seed"], run["epoch"], run["best"], report["reached"]) == (3, 2, 0.71, 1)
    assert 0 < run["seconds"] == report["mean_seconds"] < 600
    assert report["deviation_seconds"] is None
    printed = capsys.readouterr().out
    assert "NVIDIA H200" in printed and "other programs" not in printed


def test_a_run_has_an_empty_folder_and_empty_caches(femo):
    femo(code=1)
    with pytest.raises(FemoError) as error:
        time_to_accuracy.run(Options("fer2013.zip", epochs=30), 4)
    arguments = str(error.value).splitlines()[1]
    assert "'train', 'half_hour_distilled', '--data', 'fer2013.zip', '--workdir'" in arguments
    assert "'--seed', '4', '--epochs', '30'" in arguments
    assert "femo-time-" in arguments.rsplit("]", 1)[1]


def test_runs_that_do_not_reach_it_have_no_time(femo, capsys):
    femo(0.6, 0.65, 0.64)
    time_to_accuracy.main(Options("fer2013.zip", seeds=(0, 1)))
    assert capsys.readouterr().out.splitlines() == [
        f"seed {seed}: not reached; best 65.00% (NVIDIA H200, xla)" for seed in (0, 1)
    ]


def test_the_mean_is_of_the_runs_that_reached_it(femo, monkeypatch, capsys):
    runs = iter(
        {"seed": seed, "seconds": seconds, "epoch": seconds and 40, "best": 0.7, "environment": ENVIRONMENT}
        for seed, seconds in enumerate((30.0, None, 34.0))
    )
    monkeypatch.setattr(time_to_accuracy, "run", lambda options, seed: next(runs))
    monkeypatch.setattr(time_to_accuracy.ProcessorTime, "share_beside", lambda *_: 0.5)
    time_to_accuracy.main(Options("fer2013.zip", seeds=(0, 1, 2)))
    printed = capsys.readouterr().out
    assert "70.00% after 32.0 ± 2.8 s, mean of 2 runs" in printed
    assert "other programs took 50% of the processors" in printed
