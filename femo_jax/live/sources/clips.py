"""Clips: every frame, with its time in the clip."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import cv2

from femo_jax.errors import SourceError
from femo_jax.live.sources.capture import Capture, announced_rate, quiet
from femo_jax.live.sources.frame import Frame

logger = logging.getLogger(__name__)

_USUAL_RATE = 30.0  # frames a second, where a clip announces none
_WHOLE = 0.95  # part of the announced frames that makes a clip whole: some formats only estimate their number
_REMEDY = "See whether another player shows it, and copy, download or convert it again."


class ClipSource:
    """A clip, of which every frame is handed over; `femo_jax.live.sources.frame.Source` tells the rest.

    A clip that is cut off ends with what there is, and with a warning in the log.
    """

    def __init__(self, capture: Capture, name: str) -> None:
        """Reads the first frame.

        Args:
          capture: an opened one; the source releases it.
          name: for frames and messages.

        Raises:
          SourceError: there is no first frame.
        """
        self.live = False
        self.dropped = 0
        rate = announced_rate(capture)
        if rate is None:
            logger.warning("%s: announces no usable frame rate; %g frames a second are assumed.", name, _USUAL_RATE)
        self.frames_per_second = rate or _USUAL_RATE
        self._capture = capture
        self._name = name
        self._frames = 0
        self._time = 0.0
        self._announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._closed = False
        self._next = self._read()
        if self._next is None:
            self.close()
            raise SourceError(f"{name}: holds no frame that can be read; it is damaged or no clip. {_REMEDY}")

    def __iter__(self) -> Iterator[Frame]:
        """Hands over frame after frame; a second loop goes on where the first one stopped."""
        while (frame := self._next or self._read()) is not None:
            self._next = None
            yield frame
        # Of a clip of variable rate, the number is announced from its length and its highest rate.
        reached = max(self._frames, round(self._time * self.frames_per_second) + 1)
        if not self._closed and reached < _WHOLE * self._announced:
            logger.warning(
                "%s: ends after %d of %d frames; it is cut off or damaged.",
                self._name,
                self._frames,
                round(self._announced),
            )

    def close(self) -> None:
        """Lets go of the file; iterating ends."""
        self._closed = True
        self._next = None
        with quiet:
            self._capture.release()

    def __enter__(self) -> "ClipSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Frame | None:
        try:
            with quiet:
                if not self._capture.grab():
                    return None
                whole, image = self._capture.retrieve()
        except cv2.error:
            return None
        if not whole:
            return None
        index = self._frames
        position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        # A clip of variable rate knows the time of each frame; where the time stands still, the rate tells it.
        if math.isfinite(position) and (position > self._time or index == 0):
            self._time = max(position, 0.0)
        elif index > 0:
            self._time += 1 / self.frames_per_second
        self._frames += 1
        return Frame(index, self._time, image, self._name)


def open_clip(path: Path) -> ClipSource:
    """Opens a clip of any format that FFmpeg reads; an animated GIF is one as well.

    Raises:
      SourceError: it is not a clip, or it is damaged at its beginning.
    """
    with quiet:
        # A relative path with a colon would be taken for an address.
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"{path}: neither a picture nor a clip that can be read, or damaged. {_REMEDY}")
    return ClipSource(capture, str(path))
