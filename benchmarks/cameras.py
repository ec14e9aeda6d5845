"""What a further camera costs in one process: processor time and memory of one, two and four cameras.

python benchmarks/cameras.py [--scenes FOLDER] [--json F]

Each camera plays the frames of all scenes, each from another frame on, so that all see the same. The cameras of a
process are recognised together, with the faces of all in one batch, or one by one; both take turns in blocks of a
second. Memory is that of one process with all cameras, and of as many processes with one each that run at the same
time. About five minutes on two cores; leave the machine alone meanwhile.
"""

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from frames import SHAPE, write_scenes
from harness import ProcessorTime, Start, WorkerProcess, machine
from live import demo_scenes
from report import DISTURBED, NO_CONCLUSION
from rich.console import Console
from rich.table import Table

from femo_jax.errors import FemoError
from femo_jax.files import write_json

HERE = Path(__file__).resolve().parent
COUNTS = (1, 2, 4)
"""Numbers of cameras."""

BLOCK = 30
"""Steps that a set of cameras works through before it is the next one's turn."""

MEMORY_STEPS = 60
"""Steps after which memory is measured."""


@dataclass(frozen=True)
class Options:
    """Measures the cost of further cameras in one process."""

    scenes: Path | None = None
    """Folder of images and clips; default: the image and the clip of `make demo`."""
    json: Path | None = None
    """Write everything measured to this file."""
    rounds: int = 3
    """How often each camera plays all frames."""
    image_frames: int = 30
    """How many frames an image is shown for."""
    worker: Path = HERE / "cameras_worker.py"
    """The script that recognises."""


@dataclass(frozen=True)
class Frames:
    """The raw file of the frames of all scenes, one after the other."""

    path: Path
    count: int

    def request(self, cameras: range, first: int, count: int, *, together: bool) -> dict:
        """Arguments of a worker's `run` for some of the cameras."""
        return {
            "offsets": [number * self.count // max(COUNTS) for number in cameras],
            "together": together,
            "path": str(self.path),
            "shape": list(SHAPE),
            "frames": self.count,
            "first": first,
            "count": count,
        }


def measure_time(worker: WorkerProcess, frames: Frames, rounds: int) -> dict:
    """Processor time and time of a step, for each number of cameras, together and one by one, in turn.

    Returns:
      `together` and `one_by_one`, by number of cameras: `cpu_ms`, `median_ms` and `faces` of a frame, `p95_ms` of a
      step, which is a frame of each camera; and `others`, the share of processor time that other programs took.
    """
    sides = [(count, together) for count in COUNTS for together in (True, False) if count > 1 or together]
    for count, together in sides:  # warms up
        worker.ask("run", **frames.request(range(count), 0, BLOCK, together=together))
    milliseconds: dict = {side: [] for side in sides}
    cpu_seconds, faces = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0)
    others, steps = ProcessorTime(), rounds * frames.count
    order = list(sides)
    for first in range(BLOCK, BLOCK + steps, BLOCK):
        for side in order:
            size = min(BLOCK, BLOCK + steps - first)
            reply = worker.ask("run", **frames.request(range(side[0]), first, size, together=side[1]))
            milliseconds[side] += reply["milliseconds"]
            cpu_seconds[side] += reply["cpu_seconds"]
            faces[side] += reply["faces"]
        order.reverse()
    measured: dict = {"together": {}, "one_by_one": {}, "others": others.share_beside(sum(cpu_seconds.values()))}
    for count, together in sides:
        side = count, together
        measured["together" if together else "one_by_one"][str(count)] = {
            "cpu_ms": 1e3 * cpu_seconds[side] / (count * steps),
            "median_ms": float(np.median(milliseconds[side])) / count,
            "p95_ms": float(np.percentile(milliseconds[side], 95)),
            "faces": faces[side] / (count * steps),
        }
    return measured


def further_cameras(measured: dict) -> dict[str, dict[str, float]]:
    """Processor time of a frame of each further camera, in ms, by way and number of cameras."""
    alone = measured["together"]["1"]["cpu_ms"]
    return {
        way: {
            count: (int(count) * of["cpu_ms"] - alone) / (int(count) - 1)
            for count, of in measured[way].items()
            if int(count) > 1
        }
        for way in ("together", "one_by_one")
    }


def measure_memory(start: Start, frames: Frames) -> dict:
    """Memory in MiB by number of cameras: of one process for all, and of a process for each that run at once."""
    memory: dict = {"one_process": {}, "a_process_each": {}}
    for count in COUNTS:
        for way, sets in (
            ("one_process", [range(count)]),
            ("a_process_each", [range(each, each + 1) for each in range(count)]),
        ):
            with ExitStack() as stack:
                workers = [stack.enter_context(start.running()) for _ in sets]
                for worker, cameras in zip(workers, sets, strict=True):
                    worker.ask("run", **frames.request(cameras, 0, MEMORY_STEPS, together=True))
                memory[way][str(count)] = sum(worker.ask("memory")["mib"] for worker in workers)
    return memory


def main(options: Options) -> None:
    """Measures, prints the tables, and writes what was asked for."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="femo-benchmark-") as name:
        folder = Path(name)
        raw = folder / "frames.raw"
        scenes = write_scenes(raw, options.scenes or demo_scenes(folder / "scenes"), options.image_frames)
        frames = Frames(raw, sum(len(scene.times) for scene in scenes))
        start = Start([sys.executable, options.worker], {"FEMO_CACHE": str(folder / "cache")})
        with start.running() as worker:
            measured = measure_time(worker, frames, options.rounds)
        memory = measure_memory(start, frames)
    others = measured.pop("others")
    report = {
        **measured,
        "further_camera_cpu_ms": further_cameras(measured),
        "memory_mib": memory,
        "frames": {scene.name: len(scene.times) for scene in scenes},
        "rounds": options.rounds,
        "machine": {**machine(), "others": others},
    }
    print_report(report, console)
    if options.json:
        write_json(options.json, report)


def print_report(report: dict, console: Console) -> None:
    """Prints a row for each number of cameras and way, and what the machine did beside it."""
    columns = ("a frame, CPU ms", "a further camera, CPU ms", "a frame, median ms", "all, 95th percentile ms")
    table = Table("cameras", *columns)
    for way, heading in (("together", "together"), ("one_by_one", "one by one")):
        for count, of in report[way].items():
            further = report["further_camera_cpu_ms"][way].get(count)
            numbers = (of["cpu_ms"], further, of["median_ms"], of["p95_ms"])
            shown = ("-" if number is None else f"{number:.1f}" for number in numbers)
            table.add_row("1" if count == "1" else f"{count}, {heading}", *shown)
    console.print(table)
    table = Table("memory, MiB", *(f"{count} cameras" if count > 1 else "1 camera" for count in COUNTS))
    for way, heading in (("one_process", "one process"), ("a_process_each", "a process each")):
        table.add_row(heading, *(f"{mib:.0f}" for mib in report["memory_mib"][way].values()))
    console.print(table)
    others = report["machine"]["others"]
    note = f". {NO_CONCLUSION}" if others > DISTURBED else ""
    console.print(f"other programs took {others:.0%} of the processors' time{note}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
