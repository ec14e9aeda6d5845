"""Cameras of this machine."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import cv2

from femo_jax.errors import SourceError
from femo_jax.live.sources.capture import Capture, quiet
from femo_jax.live.sources.live_source import LiveSource

logger = logging.getLogger(__name__)

_DEVICE = re.compile(r"video(\d+)")
_DEVICES = Path("/dev")


def camera_number(path: Path) -> int | None:
    """The number of a camera's device file or of a link to it: 2 for `/dev/video2`; None for other paths."""
    if _DEVICES not in path.absolute().parents:
        return None
    device = path.resolve()
    match = _DEVICE.fullmatch(device.name)
    return int(match[1]) if match and device.parent == _DEVICES else None


def open_camera(
    number: int,
    size: tuple[int, int] | None = None,
    rate: float | None = None,
    give_up_after: float = 30.0,
    *,
    capture: Callable[[int], Capture] = cv2.VideoCapture,
    devices: Path = _DEVICES,
) -> LiveSource:
    """Opens a camera.

    Args:
      number: as in `/dev/video0`.
      size: width and height to ask it for, in pixels; it may give another.
      rate: frames a second to ask it for; it may give another.
      give_up_after: seconds without a frame until it is given up.
      capture: makes a capture of a number.
      devices: the folder of device files.

    Raises:
      SourceError: there is no such camera, or it gives no frames.
    """

    def connect() -> Capture:
        with quiet:
            opened = capture(number)
            if not opened.isOpened():
                raise SourceError(f"camera {number}: {_why_not(number, devices)}")
            _ask(opened, number, size, rate)
        return opened

    return LiveSource(connect(), f"camera {number}", connect, give_up_after=give_up_after)


def _ask(capture: Capture, number: int, size: tuple[int, int] | None, rate: float | None) -> None:
    if size is None and rate is None:
        return
    # Over USB, large frames come at a low rate unless the camera compresses them.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        given = (round(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        if given != tuple(size):
            logger.warning("camera %d: gives %d x %d pixels, asked for %d x %d.", number, *given, *size)
    if rate is not None:
        capture.set(cv2.CAP_PROP_FPS, rate)


def _why_not(number: int, devices: Path) -> str:
    """What a person can do about a camera that does not open."""
    device = devices / f"video{number}"
    if device.exists():
        if not os.access(device, os.R_OK | os.W_OK):
            return f"{device} may not be used by this user. Add the user to the group video, and log in again."
        return f"{device} cannot be opened. It may be in use by another program, or be no camera; try another number."
    found = (_DEVICE.fullmatch(path.name) for path in devices.glob("video*"))
    numbers = sorted(int(match[1]) for match in found if match)
    if numbers:
        return f"there is no {device}; this machine has {', '.join(map(str, numbers))}. Give one of these numbers."
    return f"this machine has no {devices}/video*. Connect a camera; a container must be given its device."
