"""Frames, and what all sources of frames have in common."""

import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

_log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4.10 has the same two functions in its main module
_SILENT = 0  # cv::utils::logging::LOG_LEVEL_SILENT
_HIGHEST_RATE = 1000.0  # frames a second; what is above is a broken header


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of a source.

    Attributes:
      index: its number in the source, from 0; frames that were dropped, and images that could not be read, count.
      time: in seconds on the source's clock: `time.monotonic()` of a live source, position in a clip.
      image: `[h, w, 3] uint8` BGR.
      name: of its source, `camera 0` or the path of a clip; the path of an image.
      still: it is a single image, unrelated to the one before it.
    """

    index: int
    time: float
    image: np.ndarray
    name: str
    still: bool = False


class FrameSource(Protocol):
    """Frames one after the other; a context manager, to be iterated over once.

    Attributes:
      live: the frames come at their own pace, and those that come too fast are dropped.
      frames_per_second: as the source announces it, which a network stream often does wrongly; None if it does not.
      dropped: frames that nobody took, so far.
    """

    @property
    def live(self) -> bool: ...

    @property
    def frames_per_second(self) -> float | None: ...

    @property
    def dropped(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Lets go of camera, connection or file; iterating ends."""
        ...

    def __enter__(self) -> "FrameSource": ...

    def __exit__(self, *_: object) -> None: ...


def usable_rate(announced: float) -> float | None:
    """Frames per second as a source announces them; None where that cannot be true."""
    return announced if math.isfinite(announced) and 0 < announced <= _HIGHEST_RATE else None


def on_white(image: np.ndarray) -> np.ndarray:
    """Lays an image `[h, w, 4] uint8` BGRA on white, as viewers do; `[h, w, 3] uint8` BGR."""
    alpha = image[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(image[..., :3])
    return ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


class _Quiet:
    """A context manager: OpenCV logs nothing while any thread is inside; its log level is restored afterwards.

    FFmpeg inside OpenCV reads its level once, when it is first used. Whoever set one of OpenCV's variables
    `OPENCV_LOG_LEVEL`, `OPENCV_FFMPEG_LOGLEVEL` or `OPENCV_FFMPEG_DEBUG` wants its messages, and gets them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    def __enter__(self) -> None:
        if "OPENCV_FFMPEG_DEBUG" not in os.environ:
            os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's AV_LOG_QUIET
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._level = _log.getLogLevel()
                if "OPENCV_LOG_LEVEL" not in os.environ:
                    _log.setLogLevel(_SILENT)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _log.setLogLevel(self._level)


quiet = _Quiet()
"""Keeps OpenCV's messages off the standard error: femo reports itself, in an error or a warning, what went wrong."""
