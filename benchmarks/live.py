"""femo side by side with PyPI `fer`, in turn in one run, on the same 640x480 frames.

python benchmarks/live.py [--scenes FOLDER] [--json F] [--figure F]

`make fer` installs fer in an environment of its own, since its packages clash with femo's; where it is missing, femo
alone is measured. About five minutes on two cores with fer; leave the machine alone meanwhile.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from frames import SHAPE, write_scenes
from harness import Frames, Participant, Start, cold_start_seconds, count_faces, machine, measure_frames, speed
from report import draw_figure, print_report, ratios
from rich.console import Console
from rich.progress import Progress

from femo_jax.errors import FemoError
from femo_jax.figures.style import check_format
from femo_jax.files import write_json

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BATCHES = (1, 4, 16)


@dataclass(frozen=True)
class Options:
    """Measures femo and fer in turn on the same frames."""

    scenes: Path | None = None
    """Folder of images and clips, with true boxes in XML files of dlib's imglab where they are known; default: the
    image and the clip of `make demo`."""
    json: Path | None = None
    """Write everything measured to this file."""
    figure: Path | None = None
    """Draw the comparison to this file."""
    fer_python: Path = PROJECT / ".fer" / "bin" / "python"
    """Interpreter in which fer is installed."""
    femo_python: Path = Path(sys.executable)
    """Interpreter in which femo is installed."""
    rounds: int = 3
    """How often each system works through all frames."""
    image_frames: int = 30
    """How many frames an image is shown for."""
    cold_starts: int = 5
    """How often each system is started from cold."""


def main(options: Options) -> None:
    """Measures, prints the table, and writes what was asked for."""
    console = Console()
    if options.figure:
        check_format(options.figure)
    # Workers keep compiled networks in the folders that `measure` gives them, not where this shell says.
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    with tempfile.TemporaryDirectory(prefix="femo-benchmark-") as folder:
        report = measure(options, Path(folder), console)
    if options.json:
        write_json(options.json, report)
    print_report(report, console)
    if options.figure:
        draw_figure(report, options.figure)


def measure(options: Options, folder: Path, console: Console) -> dict:
    """Everything that the benchmark reports, as in its JSON file; `folder` takes temporary files."""
    femo = Start([options.femo_python, HERE / "femo_worker.py"], {"FEMO_CACHE": str(folder / "filled")})
    fer = Start([options.fer_python, HERE / "fer_worker.py"]) if options.fer_python.exists() else None
    raw = folder / "frames.raw"
    scenes = options.scenes or demo_scenes(folder / "scenes")
    frames = Frames(raw, SHAPE, write_scenes(raw, scenes, options.image_frames))
    console.print(f"{sum(len(scene.times) for scene in frames.scenes)} frames of {len(frames.scenes)} scenes")

    report: dict = {"femo": {}, "fer": None, "ratio": None, "left_out": {}}
    if fer and (obstacle := why_not(fer, frames)):
        report["left_out"]["fer"], fer = obstacle, None
    if fer:
        report["fer"] = {}
    report["machine"] = machine()
    report["frames"] = {scene.name: len(scene.times) for scene in frames.scenes}
    measure_cold_starts(report, femo, fer, frames, options.cold_starts, folder)
    measure_speed(report, femo, fer, frames, options.rounds, console)
    sizes = {"femo": (options.femo_python, "femo-jax", "femo_jax"), "fer": (options.fer_python, "fer", "fer")}
    for name in ("femo", "fer") if fer else ("femo",):
        try:
            report[name]["installed_mib"] = installed_mib(*sizes[name])
        except FemoError as error:  # such as a distribution that was removed by hand; all else is measured
            report[name]["installed_mib"] = None
            report["left_out"][f"installed size of {name}"] = str(error)
    if fer:
        report["ratio"] = ratios(report)
    return report


def why_not(start: Start, frames: Frames) -> str | None:
    """What a system fails with on the first frame; None where it works."""
    try:
        cold_start_seconds(start, "images", frames)
    except FemoError as error:
        return str(error)
    return None


def demo_scenes(folder: Path) -> Path:
    """A folder with the image and the clip of `make demo`."""
    folder.mkdir()
    script = PROJECT / "tools" / "demo_clip.py"
    subprocess.run([sys.executable, script, folder / "astronaut.png", folder / "astronaut.mp4"], check=True)
    return folder


def measure_cold_starts(
    report: dict, femo: Start, fer: Start | None, frames: Frames, repeats: int, folder: Path
) -> None:
    """Starts the systems in turn; a first start of each, which does not count, has brought their files into memory."""
    starts = {"filled_cache": femo, **({"fer": fer} if fer else {})}
    seconds: dict[str, list[float]] = {"empty_cache": [], **{name: [] for name in starts}}
    cold_start_seconds(femo, "images", frames)  # that of fer was whether it works
    for number in range(repeats):
        starts["empty_cache"] = Start(femo.command, {"FEMO_CACHE": str(folder / f"empty-{number}")})
        for name in sorted(starts, reverse=number % 2 == 1):
            seconds[name].append(cold_start_seconds(starts[name], "images", frames))
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    report["femo"]["cold_start_s"] = {name: medians[name] for name in ("empty_cache", "filled_cache")}
    if fer:
        report["fer"]["cold_start_s"] = medians["fer"]


def measure_speed(report: dict, femo: Start, fer: Start | None, frames: Frames, rounds: int, console: Console) -> None:
    """Frames in turn, then classification alone, then the peak memory of the same processes."""
    truth = [boxes for scene in frames.scenes for boxes in scene.truth]
    with ExitStack() as stack:
        workers = {"femo": stack.enter_context(femo.running())}
        participants = [Participant("femo", workers["femo"], "stream")]
        if fer:
            workers["fer"] = stack.enter_context(fer.running())
            participants.append(Participant("fer", workers["fer"], "images"))
        participants.append(Participant("femo", workers["femo"], "images"))
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("frames", total=rounds * len(list(frames.blocks())))
            others = measure_frames(participants, frames, rounds, lambda: progress.advance(task))
        report["machine"]["others"] = others
        for participant in participants:
            measured = {**speed(participant.rounds), **count_faces(participant.boxes, truth)}
            report[participant.name][participant.mode] = measured
        for name, worker in workers.items():
            replies = {str(faces): worker.ask("classify", faces=faces, repeats=100) for faces in BATCHES}
            medians = {faces: float(np.median(reply["milliseconds"])) for faces, reply in replies.items()}
            report[name]["classify_ms"] = medians
            report[name]["peak_memory_mib"] = worker.ask("memory")["peak_mib"]
            report[name]["versions"] = worker.ask("versions")
    report["classify_ms"] = report["femo"].pop("classify_ms")


def installed_mib(python: Path, name: str, package: str) -> float:
    """The size of a distribution and all that it requires, in MiB."""
    command = [str(python), str(HERE / "installed.py"), name, package]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        raise FemoError(f"{' '.join(command)} failed:\n{finished.stderr[-2000:]}")
    return json.loads(finished.stdout)["mib"]


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
