"""Streams of one recogniser, one for each of several cameras."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from worker import read_frame, serve_answers

from femo_jax import EmotionRecognizer
from femo_jax.live.stream import EmotionStream, recognize_together


class Cameras:
    """The recogniser, and the streams of each set of cameras."""

    def __init__(self) -> None:
        self.recognizer = EmotionRecognizer.load()
        self.streams: dict[tuple[int, bool], list[EmotionStream]] = {}

    def answer(self, request: dict) -> dict:
        """The reply to a request; its key `do` names the method."""
        methods = {"run": self.run, "memory": self.memory}
        return methods[request.pop("do")](**request)

    def run(
        self, offsets: list[int], together: bool, path: str, shape: list[int], frames: int, first: int, count: int
    ) -> dict:
        """Recognises a frame of each camera, in consecutive steps.

        Args:
          offsets: for each camera, by how many frames it is ahead of the first one.
          together: the faces of all cameras are one batch; else each camera has its own.
          path: raw file of uint8 frames.
          shape: height, width and channels of a frame.
          frames: in the file; a camera begins again after the last one.
          first: number of the first step; a step is a thirtieth of a second.
          count: of steps.

        Returns:
          `milliseconds` of each step, `cpu_seconds` of the process in all of them, and `faces` that were shown.
        """
        key = len(offsets), together
        if key not in self.streams:
            numbers = itertools.count(1)
            self.streams[key] = [self.recognizer.stream(numbers=numbers) for _ in offsets]
        milliseconds, cpu_seconds, faces = [], 0.0, 0
        for step in range(first, first + count):
            images = [read_frame(Path(path), shape, (step + offset) % frames) for offset in offsets]
            began, cpu = time.perf_counter(), time.process_time()
            faces += self._step(self.streams[key], images, step / 30, together)
            cpu_seconds += time.process_time() - cpu
            milliseconds.append(1e3 * (time.perf_counter() - began))
        return {"milliseconds": milliseconds, "cpu_seconds": cpu_seconds, "faces": faces}

    @staticmethod
    def _step(streams: Sequence[EmotionStream], images: Sequence, seconds: float, together: bool) -> int:
        """Recognises the next frame of each camera; the number of faces."""
        if together:
            results = recognize_together(streams, images, [seconds] * len(streams))
        else:
            results = [stream(image, seconds) for stream, image in zip(streams, images, strict=True)]
        return sum(len(result.faces) for result in results)

    @staticmethod
    def memory() -> dict:
        """Memory of this process now, pages that others use as well by their share (Pss of Linux), in MiB."""
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return {"mib": next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024}


if __name__ == "__main__":
    serve_answers(lambda: Cameras().answer)
