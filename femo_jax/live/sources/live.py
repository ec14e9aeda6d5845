"""Cameras, and what every live source does: hand over its newest frame, and open again when it vanishes."""

import atexit
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.live.sources.frame import Frame, quiet, usable_rate

logger = logging.getLogger(__name__)

_MOST_DAMAGED = 30  # damaged frames in a row, after which the capture itself is taken to be broken
_LOOK_EVERY = 1.0  # seconds; a wait without end could not be interrupted everywhere
_CLOSING = 2.0  # seconds to wait for a reader that may hang in its driver
_DEVICE = re.compile(r"video(\d+)")
_DEVICES = Path("/dev")


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that femo uses."""

    def isOpened(self) -> bool: ...  # noqa: N802

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, Any]: ...

    def get(self, propId: int, /) -> float: ...  # noqa: N803

    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: N803

    def release(self) -> None: ...


class LiveSource:
    """A camera or a network stream, of which a thread keeps the newest frame only.

    A source that gives no more frames is opened again, with pauses that double. Where no frame came for
    `give_up_after` seconds, iterating ends with SourceError. See also `femo_jax.live.sources.FrameSource`.

    Attributes:
      on_frame: is called after each frame that came, by the thread that reads; replace it before frames are taken.
    """

    def __init__(
        self,
        capture: Capture,
        name: str,
        connect: Callable[[], Capture],
        *,
        give_up_after: float = 30.0,
        first_pause: float = 0.5,
        longest_pause: float = 8.0,
    ) -> None:
        """Reads the first frame, and begins to read the others.

        Args:
          capture: an opened one; the source releases it.
          name: for frames and messages.
          connect: opens the capture again, or raises SourceError.
          give_up_after: seconds without a frame until the source is given up; much longer than a frame takes.
          first_pause: seconds before the first attempt to open it again.
          longest_pause: seconds between two attempts at most.

        Raises:
          SourceError: there is no first frame.
        """
        self.live = True
        self.dropped = 0
        self.frames_per_second = usable_rate(capture.get(cv2.CAP_PROP_FPS))
        self.on_frame: Callable[[], None] = lambda: None
        self._name = name
        self._connect = connect
        self._give_up_after = give_up_after
        self._pauses = (first_pause, longest_pause)

        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._newest: Frame | None = None
        self._frames = 0
        self._last_frame = time.monotonic()
        self._attempts = 0

        if not self._read(capture):
            _release(capture)
            raise SourceError(f"{name}: can be opened but gives no frames. See whether another program uses it.")
        self._thread = threading.Thread(target=self._follow, args=(capture,), name=f"femo {name}", daemon=True)
        self._thread.start()
        # A thread that Python ends inside OpenCV takes the process down with it.
        atexit.register(self.close)

    def __iter__(self) -> Iterator[Frame]:
        """Waits for a frame that was not handed over before, the newest there is.

        Raises:
          SourceError: no frame came for too long.
        """
        while not self._stopped.is_set():
            while not self.wait(_LOOK_EVERY):
                pass
            if (frame := self.take()) is not None:
                yield frame

    def wait(self, seconds: float) -> bool:
        """Waits up to so many seconds; whether iterating then goes on, or ends, without waiting any more."""
        with self._changed:
            left = self._last_frame + self._give_up_after - time.monotonic()
            return left <= 0 or self._changed.wait_for(
                lambda: self._newest is not None or self._stopped.is_set(), min(left, seconds)
            )

    @property
    def closed(self) -> bool:
        """Whether it was closed or given up."""
        return self._stopped.is_set()

    def take(self) -> Frame | None:
        """Takes the newest frame without waiting; None where none came since the last one, or the source was closed.

        Raises:
          SourceError: no frame came for too long.
        """
        with self._changed:
            if self._stopped.is_set():
                return None
            if self._newest is None and time.monotonic() - self._last_frame >= self._give_up_after:
                self._stopped.set()
                raise SourceError(
                    f"{self._name}: gave no frame for {self._give_up_after:g} s; {self._attempts} attempts to"
                    " open it again were in vain. See whether it is connected and switched on, and start again."
                )
            frame, self._newest = self._newest, None
            return frame

    def close(self) -> None:
        """Ends iterating and lets go of the source; a reader that hangs in its driver lets go when it wakes."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_CLOSING)
        atexit.unregister(self.close)

    def __enter__(self) -> "LiveSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self, capture: Capture) -> None:
        """The thread's work; it alone touches the capture."""
        current: Capture | None = capture
        while current is not None:
            while not self._stopped.is_set() and self._read(current):
                self._attempts = 0
            _release(current)
            if self._stopped.is_set():
                return
            limit = "" if math.isinf(self._give_up_after) else f" for {self._give_up_after:g} s"
            logger.warning("%s: gives no more frames; femo tries to open it again%s.", self._name, limit)
            current = self._reopened()

    def _reopened(self) -> Capture | None:
        """The capture, which has given a frame again; None if the source was closed before it did."""
        lost = self._last_frame
        pause, longest = self._pauses
        while not self._stopped.wait(pause):
            self._attempts += 1
            try:
                capture = self._connect()
            except SourceError as error:
                logger.info("%s", error)
            else:
                if self._read(capture):
                    logger.warning("%s: is back after %.1f s.", self._name, self._last_frame - lost)
                    return capture
                _release(capture)
            pause = min(2 * pause, longest)
        return None

    def _read(self, capture: Capture) -> bool:
        """Takes the next frame that is whole; False where none comes any more."""
        for _ in range(_MOST_DAMAGED):
            try:
                with quiet:
                    if not capture.grab():
                        return False
                    now = time.monotonic()
                    whole, image = capture.retrieve()
            except cv2.error:
                return False
            if whole:
                self._offer(now, image)
                return True
        return False

    def _offer(self, now: float, image: np.ndarray) -> None:
        with self._changed:
            if self._newest is not None:
                self.dropped += 1
            self._newest = Frame(self._frames, now, image, self._name)
            self._frames += 1
            self._last_frame = now
            self._changed.notify_all()
        self.on_frame()


def _release(capture: Capture) -> None:
    with quiet:
        capture.release()


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
