"""The log of `femo live`: one JSON object a line and frame, written before the next frame is looked at."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from femo_jax.errors import FemoError
from femo_jax.live.results import FrameResult


class FrameLog:
    """Writes a new log; a context manager. It can be read while it grows: every line but the last is whole."""

    def __init__(self, path: Path) -> None:
        """Begins the log, in place of an older one.

        Args:
          path: of the file; `-` is standard output.

        Raises:
          FemoError: the file cannot be made, or is a named pipe that nothing reads.
        """
        self.path = path
        if path == Path("-"):
            self._file = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
            return
        try:
            if path.is_fifo():
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # fails where opening it would wait for a reader
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise FemoError(f"{path}: cannot be written ({error.strerror}). Choose a file you may write to.") from error

    def write(self, index: int, result: FrameResult) -> None:
        """Adds the line of a frame; `index` counts the frames of the source, also those that it dropped.

        Raises:
          FemoError: the disk is full.
        """
        line = json.dumps(frame_record(index, result), allow_nan=False)
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise FemoError(f"{self.path}: could not be written ({error.strerror}). Make room.") from error

    def close(self) -> None:
        """Ends the log; what was written stays."""
        with suppress(OSError):  # a line that could not be written was told by `write`
            self._file.close()

    def __enter__(self) -> "FrameLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame_record(index: int, result: FrameResult) -> dict[str, Any]:
    """A line of the log: times are seconds on the source's clock and milliseconds of work, sizes and boxes pixels."""
    return {
        "index": index,
        "time": round(result.time, 6),
        "width": result.width,
        "height": result.height,
        "detection_ms": round(result.detection_ms, 3),
        "inference_ms": round(result.inference_ms, 3),
        "faces": [face.as_dict() for face in result.faces],
    }
