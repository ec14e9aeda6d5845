"""A live source: its newest frame, and how it is opened again when it vanishes."""

import atexit
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.live.sources.capture import Capture, announced_rate, quiet
from femo_jax.live.sources.frame import Frame

logger = logging.getLogger(__name__)

_MOST_DAMAGED = 30  # damaged frames in a row, after which the capture itself is taken to be broken
_LOOK_EVERY = 1.0  # seconds; a wait without end could not be interrupted everywhere
_CLOSING = 2.0  # seconds to wait for a reader that may hang in its driver


class LiveSource:
    """A camera or a network stream, of which a thread keeps the newest frame only.

    A source that gives no more frames is opened again, with pauses that double. Where no frame came for
    `give_up_after` seconds, iterating ends with SourceError. `femo_jax.live.sources.frame.FrameSource` tells the rest.
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
        self.frames_per_second = announced_rate(capture)
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
        while (frame := self._next()) is not None:
            yield frame

    def wait(self, seconds: float) -> bool:
        """Waits up to so many seconds; whether iterating then goes on, or ends, without waiting any more."""
        with self._changed:
            left = self._last_frame + self._give_up_after - time.monotonic()
            return left <= 0 or self._changed.wait_for(
                lambda: self._newest is not None or self._stopped.is_set(), min(left, seconds)
            )

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

    def _next(self) -> Frame | None:
        while not self.wait(_LOOK_EVERY):
            pass
        with self._changed:
            if self._newest is None and not self._stopped.is_set():
                self._stopped.set()
                raise SourceError(
                    f"{self._name}: gave no frame for {self._give_up_after:g} s; {self._attempts} attempts to"
                    " open it again were in vain. See whether it is connected and switched on, and start again."
                )
            frame, self._newest = self._newest, None
            return None if self._stopped.is_set() else frame

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


def _release(capture: Capture) -> None:
    with quiet:
        capture.release()
