"""Measures systems in turn: short blocks of the same frames, one system at a time, each in a process of its own."""

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np
from frames import Scene
from scipy.optimize import linear_sum_assignment

from femo_jax.errors import FemoError
from femo_jax.live.image import Box, overlaps
from femo_jax.runtime import processor_name

BLOCK = 60
"""The most frames that a system works on before it is the next one's turn."""

SAME_FACE = 0.4
"""Intersection over union from which on a found box is a true face."""


class WorkerProcess:
    """A running worker; see worker.py for the requests it knows."""

    def __init__(self, process: subprocess.Popen, errors: IO[str]) -> None:
        """Talks to `process`, whose standard error goes to the file `errors`."""
        self._process = process
        self._name = " ".join(map(str, cast(Sequence[str | Path], process.args)))
        self._requests = cast(IO[str], process.stdin)
        self._replies = cast(IO[str], process.stdout)
        self._errors = errors

    def ask(self, do: str, **arguments: object) -> dict:
        """The worker's reply to a request.

        Raises:
          FemoError: the worker ended instead.
        """
        try:
            print(json.dumps({"do": do, **arguments}), file=self._requests, flush=True)
            reply = self._replies.readline()
        except BrokenPipeError:
            reply = ""
        if not reply:
            self._process.wait()
            self._errors.seek(0)
            raise FemoError(f"{self._name} failed:\n{self._errors.read()[-2000:]}")
        return json.loads(reply)


@dataclass(frozen=True)
class Start:
    """How to start a worker: the command, and what to set in its environment."""

    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[WorkerProcess]:
        """The started worker, ended when the block ends."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **self.environment},
                text=True,
            )
            try:
                yield WorkerProcess(process, errors)
            finally:
                process.kill()
                process.communicate()


@dataclass
class Participant:
    """A worker in one of its modes, and what was measured of it.

    Attributes:
      name: for reports.
      worker: the process.
      mode: what it is asked for.
      rounds: milliseconds of each frame, a list a round.
      boxes: of each frame of the first round.
    """

    name: str
    worker: WorkerProcess
    mode: str
    rounds: list[list[float]] = field(default_factory=list)
    boxes: list[list[Box]] = field(default_factory=list)


@dataclass(frozen=True)
class Frames:
    """The raw file of frames, the shape of each, and the scenes in it."""

    path: Path
    shape: Sequence[int]
    scenes: Sequence[Scene]

    def blocks(self) -> Iterator[dict]:
        """The frames in blocks, as arguments of a worker's `run`; the first block of a scene is marked fresh."""
        for scene in self.scenes:
            for start in range(0, len(scene.times), BLOCK):
                yield {
                    "fresh": start == 0,
                    "path": str(self.path),
                    "shape": list(self.shape),
                    "first": scene.first + start,
                    "times": scene.times[start : start + BLOCK],
                }


def measure_frames(
    participants: Sequence[Participant], frames: Frames, rounds: int, progress: Callable[[], None] = lambda: None
) -> float:
    """Lets each participant work through all frames in each round, block by block in turn, and notes it in them.

    The order is reversed from block to block (A B B A ...). One block before the first round does not count.

    Returns:
      The processor time that others took meanwhile, as a share of all processors: 0 on an idle machine.
    """
    for participant in participants:
        participant.worker.ask("run", mode=participant.mode, **next(frames.blocks()))
    order = list(participants)
    others = ProcessorTime()
    own_seconds = 0.0
    for number in range(rounds):
        for participant in order:
            participant.rounds.append([])
        for block in frames.blocks():
            for participant in order:
                reply = participant.worker.ask("run", mode=participant.mode, **block)
                own_seconds += reply["cpu_seconds"]
                participant.rounds[-1] += reply["milliseconds"]
                if number == 0:
                    participant.boxes += [[Box(*box) for box in boxes] for boxes in reply["boxes"]]
            order.reverse()
            progress()
    return others.share_beside(own_seconds)


class ProcessorTime:
    """Processor time of the whole machine since this was made, from Linux' /proc/stat."""

    def __init__(self) -> None:
        self._busy, self._total = self._read()

    @staticmethod
    def _read() -> tuple[float, float]:
        all_processors = Path("/proc/stat").read_text().splitlines()[0]
        user, nice, system, idle, waiting, interrupt, soft, stolen, *_ = (
            int(word) / os.sysconf("SC_CLK_TCK") for word in all_processors.split()[1:]
        )
        busy = user + nice + system + interrupt + soft + stolen
        return busy, busy + idle + waiting

    def share_beside(self, own_seconds: float) -> float:
        """The share of all processor time that was busy with something other than `own_seconds`."""
        busy, total = self._read()
        return max(0.0, (busy - self._busy - own_seconds) / max(total - self._total, 1e-9))


def children_seconds() -> float:
    """Processor time of all processes that this one started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def speed(rounds: Sequence[Sequence[float]]) -> dict:
    """Median and 95th percentile a frame, and frames a second over all frames: medians over the rounds.

    Args:
      rounds: milliseconds of each frame, a list a round.
    """
    times = np.array(rounds)
    rates = 1e3 / times.mean(axis=1)
    return {
        "median_ms": float(np.median(np.median(times, axis=1))),
        "p95_ms": float(np.median(np.percentile(times, 95, axis=1))),
        "frames_per_second": float(np.median(rates)),
        "frames_per_second_rounds": [float(rate) for rate in rates],
    }


def count_faces(boxes: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box] | None]) -> dict:
    """How many faces were found over all frames, and how many of these are true.

    Args:
      boxes: found, for each frame.
      truth: the true boxes of each frame; None where they are not known.

    Returns:
      `faces` found in all frames; of the frames with known truth `true_faces`, `false_faces` and `faces_there`.
    """
    counts = {"faces": sum(map(len, boxes)), "true_faces": 0, "false_faces": 0, "faces_there": 0}
    for found, there in zip(boxes, truth, strict=True):
        if there is None:
            continue
        matches = overlaps(found, there) >= SAME_FACE
        true = int(matches[linear_sum_assignment(matches, maximize=True)].sum())
        counts["true_faces"] += true
        counts["false_faces"] += len(found) - true
        counts["faces_there"] += len(there)
    return counts


def cold_start_seconds(start: Start, mode: str, frames: Frames) -> float:
    """Seconds from starting a fresh worker to its result on the first frame."""
    first = next(frames.blocks())
    started = time.perf_counter()
    with start.running() as worker:
        worker.ask("run", mode=mode, **{**first, "times": first["times"][:1]})
        return time.perf_counter() - started


def machine() -> dict:
    """What it was measured on."""
    return {"processor": processor_name(), "cores": len(os.sched_getaffinity(0)), "system": platform.system()}
