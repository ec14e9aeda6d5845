"""Seconds of `femo train` from an empty folder until an epoch reaches an accuracy on the validation split.

python benchmarks/time_to_accuracy.py fer2013.zip [--config NAME] [--accuracy 0.7] [--seeds 0 1 2 3 4] [--json F]

Each seed is a run of its own: the command with nothing but the data, no run folder, and empty caches of femo and JAX.
The clock starts with the process and stops when it reports the epoch; start-up, compilation and validation count. The
run is ended there. Runs that did not reach the accuracy are counted and have no time.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import tyro
from harness import ProcessorTime, children_seconds, machine
from report import DISTURBED, NO_CONCLUSION

from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.train.workdir import read_run_record

FEMO = (sys.executable, "-m", "femo_jax.cli.main")
"""The command `femo` of this interpreter."""

EPOCH = re.compile(r"epoch +(?P<epoch>\d+)/\d+ .* validation loss \S+  accuracy (?P<accuracy>\d+\.\d+)%")
"""The line of an epoch, see `femo_jax.train.progress.ConsoleReporter`."""


@dataclass(frozen=True)
class Options:
    """Times training from an empty folder to an accuracy on the validation split."""

    data: tyro.conf.Positional[str]
    """FER-2013 as `femo train --data` takes it, or `drawn`."""
    config: str = "half_hour_distilled"
    """A packaged configuration, or a Python file."""
    accuracy: float = 0.7
    """Share of the validation split to reach in an epoch."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One run each."""
    epochs: int | None = None
    """Of the schedule, where not those of the configuration."""
    json: Path | None = None
    """Write everything measured to this file."""


def run(options: Options, seed: int) -> dict[str, Any]:
    """One run: seconds and epoch at which it reached the accuracy, or None; its best accuracy; its environment.

    Raises:
      FemoError: `femo train` failed.
    """
    with tempfile.TemporaryDirectory(prefix="femo-time-") as folder:
        workdir = Path(folder) / "run"
        command = [*FEMO, "train", options.config, "--data", options.data]
        command += ["--workdir", str(workdir), "--seed", str(seed)]
        command += [] if options.epochs is None else ["--epochs", str(options.epochs)]
        caches = {"FEMO_CACHE": f"{folder}/femo", "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax"}
        errors, best, reached, started = [], 0.0, None, time.perf_counter()
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **caches}
        ) as process:
            try:
                for line in cast(IO[str], process.stderr):
                    errors.append(line)
                    if not (epoch := EPOCH.search(line)):
                        continue
                    best = max(best, float(epoch["accuracy"]) / 100)
                    if best >= options.accuracy:
                        reached = {"seconds": time.perf_counter() - started, "epoch": int(epoch["epoch"])}
                        break
                else:
                    process.wait()
            finally:
                process.kill()
        if not reached and process.returncode:
            raise FemoError(f"{' '.join(command)} failed:\n{''.join(errors)[-2000:]}")
        environment = read_run_record(workdir)["environment"]
    return {"seed": seed, "best": best, **(reached or {"seconds": None, "epoch": None}), "environment": environment}


def measure(options: Options) -> dict[str, Any]:
    """All runs, the mean and standard deviation of those that reached the accuracy, and the machine."""
    others, own = ProcessorTime(), children_seconds()
    runs = [run(options, seed) for seed in options.seeds]
    busy = others.share_beside(children_seconds() - own)
    seconds = [each["seconds"] for each in runs if each["seconds"] is not None]
    return {
        "config": options.config,
        "accuracy": options.accuracy,
        "epochs": options.epochs,
        "machine": {**machine(), "others": busy},
        "runs": runs,
        "reached": len(seconds),
        "mean_seconds": statistics.mean(seconds) if seconds else None,
        "deviation_seconds": statistics.stdev(seconds) if len(seconds) > 1 else None,
    }


def main(options: Options) -> None:
    """Measures and prints; writes what was asked for."""
    report = measure(options)
    for each in report["runs"]:
        environment = each["environment"]
        reached = "not reached" if each["seconds"] is None else f"{each['seconds']:.1f} s, epoch {each['epoch']}"
        print(
            f"seed {each['seed']}: {reached}; best {each['best']:.2%} ({environment['device']}, {environment['ops']})"
        )
    if report["reached"]:
        spread = f" ± {report['deviation_seconds']:.1f}" if report["reached"] > 1 else ""
        print(f"{options.accuracy:.2%} after {report['mean_seconds']:.1f}{spread} s, mean of {report['reached']} runs")
    if (others := report["machine"]["others"]) > DISTURBED:
        print(f"other programs took {others:.0%} of the processors. {NO_CONCLUSION}")
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
