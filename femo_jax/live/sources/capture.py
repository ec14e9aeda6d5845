"""OpenCV's video capture: what femo uses of it, and how it is kept quiet."""

import math
import os
import threading
from typing import Any, Protocol

import cv2

_log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 4.10 has the same two functions in its main module
_SILENT = 0  # cv::utils::logging::LOG_LEVEL_SILENT
_HIGHEST_RATE = 1000.0  # frames a second; what is above is a broken header


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that femo uses."""

    def isOpened(self) -> bool: ...  # noqa: N802

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, Any]: ...

    def get(self, propId: int, /) -> float: ...  # noqa: N803

    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: N803

    def release(self) -> None: ...


class _Quiet:
    """A context manager: OpenCV says nothing while any thread is inside, and what it said before afterwards.

    FFmpeg inside OpenCV reads its level once, when it is first used. Whoever set one of OpenCV's variables
    `OPENCV_LOG_LEVEL`, `OPENCV_FFMPEG_LOGLEVEL` or `OPENCV_FFMPEG_DEBUG` wants to hear it, and does.
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
"""Keeps OpenCV's words off the standard error: femo says itself, in an error or a warning, what went wrong."""


def announced_rate(capture: Capture) -> float | None:
    """Frames a second as the capture announces them; None where that cannot be true."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0 < rate <= _HIGHEST_RATE else None
