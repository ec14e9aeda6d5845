"""Clips: every frame, with its time in the clip."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.files import library_path, printable
from femo_jax.live.sources.content import on_white
from femo_jax.live.sources.frame import Frame

if TYPE_CHECKING:
    from femo_jax.live.sources.decoder import Decoder

logger = logging.getLogger(__name__)

_USUAL_RATE = 30.0  # frames a second, where a clip announces none
_WHOLE = 0.95  # part of the announced duration that makes a clip whole: some formats only estimate it
_REMEDY = "Check that another player shows it, and copy, download or convert it again."


class ClipSource:
    """A clip, of which every frame is handed over; see `femo_jax.live.sources.frame.FrameSource`.

    A frame that cannot be decoded is left out, and a clip that is cut off ends with what there is; both with a warning
    in the log.

    Attributes:
      damaged: parts of the clip that could not be decoded, so far.
    """

    def __init__(self, decoder: "Decoder", name: str) -> None:
        """Reads the first frame.

        Args:
          decoder: of the clip; the source closes it.
          name: for frames and messages.

        Raises:
          SourceError: there is no first frame.
        """
        self.live = False
        self.dropped = 0
        if decoder.frames_per_second is None:
            logger.warning("%s: announces no usable frame rate; %g frames/s are assumed.", name, _USUAL_RATE)
        self.frames_per_second = decoder.frames_per_second or _USUAL_RATE
        self._decoder = decoder
        self._decoded = decoder.frames()
        self._name = name
        self._frames = 0
        self._start: float | None = None
        self._time = 0.0
        self._last = 0.0  # seconds that the last frame is shown
        self._closed = False
        self._error = ""
        self._next = self._read()
        if self._next is None:
            self.close()
            raise SourceError(f"{name}: holds no frame that can be decoded; it is damaged or no clip. {_REMEDY}")

    @property
    def damaged(self) -> int:
        """Parts of the clip that could not be decoded, so far."""
        return self._decoder.damaged

    def __iter__(self) -> Iterator[Frame]:
        """Hands over frame after frame; a second loop resumes where the first one stopped."""
        while (frame := self._next or self._read()) is not None:
            self._next = None
            yield frame
        if not self._closed:
            self._closed = True
            self._report_damage()
            self._decoder.close()

    def close(self) -> None:
        """Closes the file; iterating ends."""
        self._closed = True
        self._next = None
        self._decoder.close()

    def __enter__(self) -> "ClipSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _report_damage(self) -> None:
        announced = self._decoder.duration
        reached = self._time + self._last
        end = max(self._start or 0.0, 0.0) + reached  # Matroska's duration counts from 0, that of others from the start
        if self._error or (announced is not None and end < _WHOLE * announced):
            of = f" of {announced:.2f} s" if announced is not None else ""
            why = self._error or "it is cut off or damaged"
            logger.warning("%s: ends after %d frames, %.2f s%s; %s.", self._name, self._frames, reached, of, why)
        elif self.damaged:
            left_out = "1 damaged frame is" if self.damaged == 1 else f"{self.damaged:,} damaged frames are"
            logger.warning("%s: %s left out.", self._name, left_out)

    def _read(self) -> Frame | None:
        if self._closed:
            return None
        try:
            frame = next(self._decoded, None)
        except SourceError as error:
            self._error = f"reading failed ({error})"
            frame = None
        if frame is None:
            return None
        index, self._time = self._frames, self._time_of(frame.time)
        self._last = float(frame.duration * frame.time_base) if frame.duration else 1 / self.frames_per_second
        self._frames += 1
        return Frame(index, self._time, self._decoder.to_bgr(frame), self._name)

    def _time_of(self, stamp: float | None) -> float:
        """Seconds since the first frame; where the clip's clock is missing or stands still, its rate tells the time."""
        if self._frames == 0:
            self._start = stamp
            return 0.0
        if stamp is not None:
            if self._start is None:
                self._start = stamp - self._time - 1 / self.frames_per_second
            if stamp - self._start > self._time:
                return float(stamp - self._start)
        return self._time + 1 / self.frames_per_second


class AnimationSource:
    """An animated WebP, which FFmpeg does not decode; see `femo_jax.live.sources.frame.FrameSource`."""

    def __init__(self, path: Path) -> None:
        """Decodes the animation.

        Args:
          path: of the file.

        Raises:
          SourceError: it is damaged, or this OpenCV decodes no animations.
        """
        decode: Callable[..., Any] | None = getattr(cv2, "imdecodeanimation", None)
        if decode is None:
            raise SourceError(f"{printable(path)}: an animated WebP needs OpenCV 4.11 or newer. Upgrade it.")
        whole, animation = decode(np.frombuffer(path.read_bytes(), np.uint8)[None])
        if not whole or not animation.frames:
            raise SourceError(f"{printable(path)}: holds no frame that can be decoded; it is damaged. {_REMEDY}")
        self.live = False
        self.dropped = 0
        durations = np.maximum(np.array(animation.durations, np.float64) / 1000, 1 / _USUAL_RATE)
        self.frames_per_second = float(len(durations) / durations.sum())
        self._times = np.concatenate([[0.0], np.cumsum(durations)[:-1]])
        self._images = [*animation.frames]
        self._index = 0
        self._name = str(path)

    def __iter__(self) -> Iterator[Frame]:
        """Hands over frame after frame; a second loop resumes where the first one stopped."""
        while self._index < len(self._images):
            index, image = self._index, self._images[self._index]
            self._index += 1
            yield Frame(index, float(self._times[index]), on_white(image) if image.shape[2] == 4 else image, self._name)

    def close(self) -> None:
        """Ends iterating."""
        self._index = len(self._images)

    def __enter__(self) -> "AnimationSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_clip(path: Path, file_format: str | None = None) -> ClipSource:
    """Opens a clip of any format that FFmpeg decodes; animated GIF, PNG and AVIF are among them.

    Args:
      path: of the file.
      file_format: FFmpeg's name of its format; None recognises it by content.

    Raises:
      SourceError: it is not a clip, or it is damaged at its beginning.
    """
    # PyAV loads thirty libraries, which nobody should wait for who plays no clip.
    from femo_jax.live.sources.decoder import Decoder

    try:
        with library_path(path) as place:
            decoder = Decoder(place, file_format=file_format)
    except SourceError as error:
        raise SourceError(
            f"{printable(path)}: neither an image nor a clip that can be read ({error}). {_REMEDY}"
        ) from error
    return ClipSource(decoder, str(path))
