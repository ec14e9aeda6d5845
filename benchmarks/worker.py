"""The side of the benchmark that runs in a system's own interpreter: it needs nothing but numpy.

The benchmark writes requests, a line of JSON each, to standard input and reads a line of JSON for each from standard
output. A worker reads each frame from one raw file before its clock starts, so that neither pipes nor decoding count.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

Recognise = Callable[[np.ndarray, float], Sequence[Sequence[float]]]


class System(Protocol):
    """A system under measurement."""

    def versions(self) -> dict[str, str]:
        """The versions of what decides its speed, by name."""
        ...

    def start(self, mode: str) -> Recognise:
        """Begins a new stream: a function from a frame `[h, w, 3] uint8` BGR and its time in seconds to boxes."""
        ...

    def classifier(self, faces: int) -> Callable[[], object]:
        """A function that classifies this many faces once."""
        ...


class Worker:
    """Answers requests about one system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.recognise: dict[str, Recognise] = {}

    def answer(self, request: dict) -> dict:
        """The reply to a request; its key `do` names the method."""
        methods = {"versions": self.versions, "run": self.run, "classify": self.classify, "memory": self.memory}
        return methods[request.pop("do")](**request)

    def versions(self) -> dict:
        """Python's and the system's versions."""
        return {"python": sys.version.split()[0], **self.system.versions()}

    def run(self, mode: str, fresh: bool, path: str, shape: list[int], first: int, times: list[float]) -> dict:
        """Recognises the faces of consecutive frames.

        Args:
          mode: the system's way of working.
          fresh: begin a new stream before the first frame.
          path: raw file of uint8 frames.
          shape: height, width and channels of a frame.
          first: number of the first frame in the file.
          times: of the frames, in seconds; there are as many frames as times.

        Returns:
          `milliseconds` and `boxes` of each frame; `cpu_seconds` of the process over all of them.
        """
        if fresh:
            self.recognise[mode] = self.system.start(mode)
        recognise = self.recognise[mode]
        milliseconds, boxes = [], []
        cpu = time.process_time()
        for index, seconds in enumerate(times, first):
            frame = read_frame(Path(path), shape, index)
            started = time.perf_counter()
            found = recognise(frame, seconds)
            milliseconds.append((time.perf_counter() - started) * 1e3)
            boxes.append([[float(value) for value in box] for box in found])
        return {"milliseconds": milliseconds, "boxes": boxes, "cpu_seconds": time.process_time() - cpu}

    def classify(self, faces: int, repeats: int) -> dict:
        """Milliseconds of each of `repeats` classifications of this many faces, after one that does not count."""
        classify = self.system.classifier(faces)
        classify()
        milliseconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            classify()
            milliseconds.append((time.perf_counter() - started) * 1e3)
        return {"milliseconds": milliseconds}

    def memory(self) -> dict:
        """The largest resident size of this process so far (VmHWM of Linux), in MiB."""
        status = Path("/proc/self/status").read_text().splitlines()
        kibibytes = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
        return {"peak_mib": int(kibibytes) / 1024}


def read_frame(path: Path, shape: Sequence[int], index: int) -> np.ndarray:
    """One frame of a raw file of uint8 frames; read, not mapped, since mapped pages count as memory of the process."""
    size = int(np.prod(shape))
    return np.fromfile(path, np.uint8, size, offset=index * size).reshape(shape)


def serve(load: Callable[[], System]) -> None:
    """Loads the system and answers requests until standard input ends."""
    serve_answers(lambda: Worker(load()).answer)


def serve_answers(load: Callable[[], Callable[[dict], dict]]) -> None:
    """Calls `load`, then gives each request to the function that it returned, until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What libraries print must not mix with the replies.
    answer = load()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies, flush=True)
