"""The benchmarks that need no other project, one after the other: `make bench`.

python benchmarks/suite.py [--out FOLDER] [--only NAME ...]

Each runs in a process of its own with short settings and writes FOLDER/NAME.json and FOLDER/NAME.txt; summary.json
describes the machine and each run. One that fails does not cost the others. Where other programs took more than a tenth
of the processors' time, its numbers are no conclusion, and the exit code is 1. About thirteen minutes on two cores.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import tyro
from harness import ProcessorTime, children_seconds, machine
from live import demo_scenes
from report import DISTURBED, NO_CONCLUSION
from rich.console import Console
from rich.table import Table

from femo_jax.errors import FemoError
from femo_jax.files import write_json

HERE = Path(__file__).resolve().parent
NO_FER = "--fer-python=/nonexistent"
SUITE: dict[str, list[str]] = {
    "live": [NO_FER, "--cold-starts=3"],
    "stages": ["--clips", "CLIP", "--rounds=3"],
    "face": [],
    "cameras": ["--rounds=1"],
    "train_step": ["--quick"],
    "convolution": [],
    "checkpoints": [],
    "data_parallel": ["--rounds=1"],
    "ros": ["--seconds=30", "--images=2000"],
    "serve_load": ["--seconds=60", "--turns=2"],
}
"""Arguments of each script; CLIP stands for the clip of `make demo`."""

NEEDS = {
    "ros": "rclpy",
    "train_step": "optax",
    "convolution": "optax",
    "checkpoints": "optax",
    "data_parallel": "optax",
}
"""A module that a script cannot do without."""


@dataclass(frozen=True)
class Options:
    """Runs the benchmarks that need no other project."""

    out: Path = Path("bench")
    """Folder of the results; it is made."""
    only: tuple[str, ...] = ()
    """Run these alone."""


@dataclass(frozen=True)
class Outcome:
    """What became of a benchmark.

    Attributes:
      seconds: that it took.
      others: processor time of other programs meanwhile, as a share of all processors.
      status: measured, disturbed, failed, or left out.
      reason: why it failed or was left out; empty otherwise.
    """

    seconds: float
    others: float
    status: str
    reason: str = ""


def run(script: Path, arguments: list[str], output: Path) -> Outcome:
    """Runs a script to its end, with what it prints in a file.

    Args:
      script: a benchmark.
      arguments: of it.
      output: a text file.
    """
    began, own, machine_time = time.monotonic(), children_seconds(), ProcessorTime()
    with output.open("w", encoding="utf-8") as text:
        command = [sys.executable, str(script), *arguments]
        code = subprocess.run(command, stdout=text, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
    seconds, others = time.monotonic() - began, machine_time.share_beside(children_seconds() - own)
    if code:
        lines = output.read_text("utf-8", errors="replace").strip().splitlines() or ["it printed nothing"]
        return Outcome(seconds, others, "failed", f"exit code {code}: {lines[-1].strip()}")
    return Outcome(seconds, others, "disturbed" if others > DISTURBED else "measured")


def run_all(options: Options, folder: Path = HERE) -> dict[str, Outcome]:
    """Runs the benchmarks in turn, and writes the summary after each.

    Raises:
      FemoError: there is no benchmark of a name, or the folder cannot be made.
    """
    if unknown := sorted(set(options.only) - SUITE.keys()):
        raise FemoError(f"--only {' '.join(unknown)}: no such benchmark; expected some of {', '.join(SUITE)}.")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FemoError(f"{options.out}: cannot be made ({error.strerror}).") from error
    outcomes: dict[str, Outcome] = {}
    for name, arguments in SUITE.items():
        if options.only and name not in options.only:
            continue
        needed = NEEDS.get(name)
        if needed and find_spec(needed) is None:
            outcomes[name] = Outcome(0.0, 0.0, "left out", f"{needed} is not installed")
        else:
            print(f"{name} ...", flush=True)
            given = [str(_clip(options.out)) if each == "CLIP" else each for each in arguments]
            json = f"--json={options.out / name}.json"
            outcomes[name] = run(folder / f"{name}.py", [*given, json], options.out / f"{name}.txt")
        runs = {each: vars(outcome) for each, outcome in outcomes.items()}
        write_json(options.out / "summary.json", {"machine": machine(), "runs": runs})
    return outcomes


def _clip(folder: Path) -> Path:
    """The clip of `make demo`."""
    scenes = folder / "scenes"
    return (scenes if scenes.exists() else demo_scenes(scenes)) / "astronaut.mp4"


def main(options: Options) -> int:
    """Runs all, prints a table, and returns the exit code."""
    outcomes, console = run_all(options), Console()
    table = Table("benchmark", "seconds", "others", "outcome")
    for name, of in outcomes.items():
        table.add_row(
            name, f"{of.seconds:.0f}", f"{of.others:.0%}", of.status + (f": {of.reason}" if of.reason else "")
        )
    console.print(table)
    console.print(f"wrote {options.out}: NAME.json and NAME.txt of each, summary.json", markup=False, highlight=False)
    statuses = {of.status for of in outcomes.values()}
    if "disturbed" in statuses:
        console.print(f"disturbed: other programs took more than {DISTURBED:.0%} of the processors. {NO_CONCLUSION}")
    return 1 if statuses & {"disturbed", "failed"} else 0


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Options, description=__doc__)))
    except FemoError as error:
        sys.exit(str(error))
