"""Writing a clip, as a whole or not at all."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np

from femo_jax.errors import ConfigError, FemoError
from femo_jax.files import replacing
from femo_jax.live.sources.capture import quiet

CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""Codec by suffix: those that every OpenCV wheel can write."""

_RATES = (0.1, 1000.0)  # frames a second
_HIGHEST_TIMEBASE = 65535  # MPEG-4 counts the frames of a second in 16 bits
_SMALLEST_SIDE = 16  # one block of MPEG-4; its encoder fails on less
_WHOLE = 0.9  # part of the written frames that a whole clip announces: matroska only tells its duration


class _DiscardedError(Exception):
    """Ends the writing of a file that is not wanted."""


class VideoWriter:
    """Writes frames to a clip; a context manager.

    The clip is written beside its path and takes its place in `close`, so that an older clip is kept until the new
    one is whole. A block that ends by an exception discards the clip, but Ctrl-C (KeyboardInterrupt) is how a
    recording ends, and closes it. Who wants to keep a clip after other errors catches them inside the block, or calls
    `close`.

    Attributes:
      frames: how many the clip has, so far.
    """

    def __init__(self, path: str | os.PathLike[str], frames_per_second: float, longest_gap: float = 1.0) -> None:
        """Prepares a clip; the file is begun with the first frame.

        Args:
          path: with one of the suffixes of `CODECS`; its folder is made if need be.
          frames_per_second: from 0.1 to 1000.
          longest_gap: seconds between two frames with a time; what is longer becomes as long as this.

        Raises:
          ConfigError: femo writes no such files, or the rate makes no sense.
        """
        self.frames = 0
        self._path = Path(path)
        if self._path.suffix.lower() not in CODECS:
            raise ConfigError(f"{path}: femo writes clips as {', '.join(CODECS)}, by the suffix of the file.")
        low, high = _RATES
        if not low <= frames_per_second <= high:
            raise ConfigError(f"{path}: {frames_per_second} frames a second; expected {low:g} to {high:g}.")
        self._rate = _encodable(frames_per_second)
        self._longest_gap = longest_gap
        self._file = ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._previous: np.ndarray | None = None
        self._elapsed = 0.0
        self._time: float | None = None
        self._ended = False

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Adds a frame.

        Args:
          image: `[h, w]` grey or `[h, w, 3]` BGR, uint8. The first one sets the size of the clip, odd sides grow
            by a pixel; others are scaled to fit into it, between black bars where their shape is another.
          time: at which it was taken, in seconds, for frames that come when they come: each is repeated until the
            next one was taken, and of several that fall together one is kept, so that the clip lasts as long as
            they did, but for gaps longer than `longest_gap`. None for frames of the clip's own rate; give it
            with each frame or with none.

        Raises:
          ValueError: the image is another, or the clip is closed.
          FemoError: OpenCV cannot write such a clip, or the file cannot be made.
        """
        image = _as_bgr(image)
        if self._ended:
            raise ValueError(f"{self._path}: the clip is closed; no frame can be added.")
        if self._writer is None:
            self._size = image.shape[1], image.shape[0]
            self._writer = self._open()
        with quiet:
            image = _padded(_letterboxed(image, *self._size))
            if time is None or self._is_due(self._writer, time):
                self._append(self._writer, image)
        if time is not None:
            self._previous = image.copy()  # the caller may draw the next frame in the same memory

    def close(self) -> None:
        """Finishes the clip and puts it in its place; one without frames leaves no file.

        Raises:
          FemoError: the clip cannot be read back, as on a full disk; an older file is kept.
        """
        if self._ended:
            return
        self._ended = True
        with quiet, self._file:  # which renames the file at its end, or removes it after an error
            if self._writer is not None:
                self._writer.release()
                self._check()

    def discard(self) -> None:
        """Ends without a clip; an older file is kept."""
        if self._ended:
            return
        self._ended = True
        with quiet, suppress(_DiscardedError), self._file:
            if self._writer is not None:
                self._writer.release()
            raise _DiscardedError

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        else:
            self.discard()

    def _open(self) -> cv2.VideoWriter:
        self._beside = self._file.enter_context(replacing(self._path))
        suffix = self._path.suffix.lower()
        width, height = _padded_size(*self._size)
        with quiet:
            codec = cv2.VideoWriter.fourcc(*CODECS[suffix])
            writer = cv2.VideoWriter(str(self._beside), cv2.CAP_FFMPEG, codec, self._rate, (width, height))
        if not writer.isOpened():
            self.discard()
            other = ".avi" if suffix != ".avi" else ".mp4"
            raise FemoError(
                f"{self._path}: OpenCV cannot write a clip of {width} x {height} pixels as {suffix}. Try {other}, or"
                " smaller frames: MPEG-4 takes up to 8191 pixels a side."
            )
        return writer

    def _is_due(self, writer: cv2.VideoWriter, time: float) -> bool:
        """Repeats the frame before as long as it lasted; whether the clip has room for one of this time."""
        if self._previous is not None and self._time is not None:
            self._elapsed += min(max(time - self._time, 0.0), self._longest_gap)
            while self.frames < round(self._elapsed * self._rate):
                self._append(writer, self._previous)
        self._time = time
        return self.frames == round(self._elapsed * self._rate)

    def _append(self, writer: cv2.VideoWriter, image: np.ndarray) -> None:
        writer.write(image)
        self.frames += 1

    def _check(self) -> None:
        """OpenCV says nothing when a frame cannot be written: whether all are there tells the file itself."""
        capture = cv2.VideoCapture(str(self._beside), cv2.CAP_FFMPEG)
        frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        if frames < _WHOLE * self.frames:
            raise FemoError(
                f"{self._path}: the clip could not be written as a whole, and is not kept. The disk may be full: make"
                " room or choose another folder."
            )


def _encodable(rate: float) -> float:
    """The nearest rate that MPEG-4 can express as OpenCV hands it over: as a decimal fraction."""
    decimals = next(digits for digits in (3, 2, 1, 0) if rate * 10**digits <= _HIGHEST_TIMEBASE)
    return round(rate, decimals)


def _as_bgr(image: np.ndarray) -> np.ndarray:
    grey = image.ndim == 2 or image.shape[2:] == (1,)
    if image.dtype != np.uint8 or image.size == 0 or not (grey or image.shape[2:] == (3,)):
        raise ValueError(f"cannot write {image.dtype} {list(image.shape)}; expected uint8 [h, w] or [h, w, 3] in BGR.")
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if grey else image


def _letterboxed(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture scaled to fit into a frame, in its middle, on black."""
    h, w = image.shape[:2]
    if (w, h) == (width, height):
        return image
    scale = min(width / w, height / h)
    inner = max(1, round(w * scale)), max(1, round(h * scale))
    scaled = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    framed = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    framed[top : top + inner[1], left : left + inner[0]] = scaled
    return framed


def _padded_size(width: int, height: int) -> tuple[int, int]:
    """The size that a codec takes: even, and of one block at least."""
    return max(_SMALLEST_SIDE, width + width % 2), max(_SMALLEST_SIDE, height + height % 2)


def _padded(image: np.ndarray) -> np.ndarray:
    """A picture with its last row and column repeated up to `_padded_size`."""
    height, width = image.shape[:2]
    right, bottom = _padded_size(width, height)
    if (right, bottom) == (width, height):
        return image
    return cv2.copyMakeBorder(image, 0, bottom - height, 0, right - width, cv2.BORDER_REPLICATE)
