"""Recording of clips: every frame with its time, as a whole or as far as the disk has room."""

import os
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from femo_jax.errors import ConfigError, FemoError, SourceError
from femo_jax.files import library_path, printable, replacing
from femo_jax.live.drawing.grid import letterboxed

CODECS = {".mp4": "libx264", ".mkv": "libx264", ".avi": "mjpeg"}
"""Codec by suffix: H.264, which browsers play, and Motion JPEG for old programs."""

_OPTIONS = {
    # The work of half a face's detection a frame of 640x480; slower presets make files smaller, not better. B-frames
    # would delay the first frame by two others, and an mp4 would begin with that delay.
    "libx264": {"preset": "superfast", "crf": "20", "bf": "0"},
    "mjpeg": {"qmin": "2", "qmax": "4"},
}
# Until it is finished, an mp4 is one of fragments, of which a player shows those that were written.
_CONTAINER_OPTIONS = {".mp4": {"movflags": "hybrid_fragmented"}}
_KEY_FRAMES = 50  # frames from one key frame, with which a fragment begins, to the next
_TICKS = 600_000  # a second; a multiple of all usual frame rates
_RATES = (0.1, 1000.0)  # frames a second
_SMALLEST_SIDE = 16  # one block


class _DiscardedError(Exception):
    """Ends the writing of a file that is not wanted."""


class VideoWriter:
    """Writes frames to a clip; a context manager.

    The clip is written beside its path and takes its place in `close`, so that an older clip is kept until the new
    one is whole. A block that ends by an exception discards the clip, but Ctrl-C (KeyboardInterrupt) is how a
    recording ends, and closes it. Who wants to keep a clip after other errors catches them inside the block, or calls
    `close`. On a full disk the clip ends, with what can be played of it in its place.

    Attributes:
      frames: how many the clip has, so far.
    """

    def __init__(self, path: str | os.PathLike[str], frames_per_second: float, longest_gap: float = 1.0) -> None:
        """Prepares a clip; the file is begun with the first frame.

        Args:
          path: with one of the suffixes of `CODECS`; its folder is created if need be.
          frames_per_second: of frames without a time, from 0.1 to 1000; an .avi has this rate in any case.
          longest_gap: seconds between two frames with a time; what is longer becomes as long as this.

        Raises:
          ConfigError: femo writes no such files, or the rate makes no sense.
        """
        self.frames = 0
        self._path = Path(path)
        self._suffix = self._path.suffix.lower()
        if self._suffix not in CODECS:
            raise ConfigError(
                f"{printable(path)}: femo writes clips as {', '.join(CODECS)}, by the suffix of the file."
            )
        low, high = _RATES
        if not low <= frames_per_second <= high:
            raise ConfigError(f"{printable(path)}: {frames_per_second} frames a second; expected {low:g} to {high:g}.")
        self._rate = Fraction(frames_per_second).limit_denominator(10_000)
        self._tick = 1 / self._rate if self._suffix == ".avi" else Fraction(1, _TICKS)
        self._longest_gap = longest_gap
        self._file = ExitStack()
        self._container: Any = None
        self._stream: Any = None
        self._size = (0, 0)
        self._previous: np.ndarray | None = None
        self._elapsed = 0.0
        self._time: float | None = None
        self._stamp = -1  # of the last frame, in ticks
        self._ended = False

    @property
    def frames_per_second(self) -> float:
        """Of frames without a time."""
        return float(self._rate)

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Adds a frame.

        Args:
          image: `[h, w]` grey or `[h, w, 3]` BGR, uint8. The first one sets the size of the clip, odd sides grow
            by a pixel; others are scaled to fit into it, between black bars where their shape is another.
          time: at which it was taken, in seconds. The frame gets the same time since the first one in the clip, but
            for gaps longer than `longest_gap`; in an .avi, which has one rate, frames are repeated in gaps, and
            frames that come faster than the rate are shown a little later. None for frames at the clip's own rate;
            give it with each frame or with none.

        Raises:
          ValueError: the image is another, or the clip is closed.
          FemoError: such a clip cannot be encoded, the file cannot be made, or the disk is full. In the last case
            what was written before is in its place already.
        """
        image = _as_bgr(image)
        if self._ended:
            raise ValueError(f"{self._path}: the clip is closed; no frame can be added.")
        if self._container is None:
            self._size = image.shape[1], image.shape[0]
            self._open()
        image = _padded(letterboxed(image, *self._size))
        stamp = self._stamp_of(time)
        if self._suffix == ".avi" and self._previous is not None:
            while self._stamp + 1 < stamp:
                self._append(self._previous, self._stamp + 1)
        self._append(image, stamp)
        if time is not None and self._suffix == ".avi":
            self._previous = image.copy()  # the caller may draw the next frame in the same memory

    def close(self) -> None:
        """Finishes the clip and puts it in its place; one without frames leaves no file.

        Raises:
          FemoError: the disk is full; what can be played of the clip is in its place.
        """
        if self._ended:
            return
        self._ended = True
        with self._file:  # which renames the file at its end, or removes it after an error
            if self._container is not None:
                try:
                    self._container.mux(self._stream.encode())
                    self._container.close()
                except OSError as error:
                    self._salvage(error)

    def discard(self) -> None:
        """Ends without a clip; an older file is kept."""
        if self._ended:
            return
        self._ended = True
        with suppress(_DiscardedError), self._file:
            if self._container is not None:
                with suppress(OSError):  # nobody wants what cannot be written
                    self._container.close()
            raise _DiscardedError

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        else:
            self.discard()

    def _open(self) -> None:
        # PyAV loads thirty libraries, which nobody should wait for who records nothing.
        import av
        from av.error import FFmpegError

        self._beside = self._file.enter_context(replacing(self._path))
        width, height = _padded_size(*self._size)
        codec = CODECS[self._suffix]
        try:
            place = self._file.enter_context(library_path(self._beside))
            self._container = av.open(f"file:{place}", "w", container_options=_CONTAINER_OPTIONS.get(self._suffix, {}))
            self._stream = self._container.add_stream(codec, self._rate, options=_OPTIONS[codec])
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            self._stream.time_base = self._stream.codec_context.time_base = self._tick
            self._stream.codec_context.gop_size = _KEY_FRAMES
            self._stream.codec_context.open()
        except (FFmpegError, ValueError) as error:
            self.discard()
            other = ".avi" if self._suffix != ".avi" else ".mp4"
            raise FemoError(
                f"{printable(self._path)}: a clip of {width} x {height} pixels cannot be encoded as {self._suffix}"
                f" ({error}). Try {other}, or smaller frames."
            ) from error

    def _stamp_of(self, time: float | None) -> int:
        """The time of the next frame in ticks, later than that of the one before."""
        if time is None:
            return round((self._stamp + 1) if self._suffix == ".avi" else self.frames / self._rate / self._tick)
        if self._time is not None:
            self._elapsed += min(max(time - self._time, 0.0), self._longest_gap)
        self._time = time
        return max(self._stamp + 1, round(self._elapsed / self._tick))

    def _append(self, image: np.ndarray, stamp: int) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts, frame.time_base = stamp, self._tick
        self._stamp = stamp
        try:
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            self._ended = True
            with self._file:
                self._salvage(error)
        self.frames += 1

    def _salvage(self, error: OSError) -> None:
        """Ends a clip that could not be written on, and reports it; the file is kept if a frame of it can be played."""
        with suppress(OSError):  # the disk is full
            self._container.close()
        kept = _playable_frames(self._beside)
        if kept == 0:
            raise FemoError(
                f"{printable(self._path)}: the clip could not be written ({error.strerror}), and nothing of it can be"
                " played. Make room or choose another folder."
            )
        self._file.close()  # which puts it in its place
        raise FemoError(
            f"{printable(self._path)}: recording ended after {kept:,} frames ({error.strerror}); they are kept. Make"
            " room or choose another folder."
        )


def _playable_frames(path: Path) -> int:
    """Frames of a clip that was not finished which a player shows."""
    from femo_jax.live.sources.clips import Decoder

    count = 0
    try:
        with library_path(path) as place:
            decoder = Decoder(place)
        for _ in decoder.frames():
            count += 1
        decoder.close()
    except SourceError:
        return count
    return count


def _as_bgr(image: np.ndarray) -> np.ndarray:
    grey = image.ndim == 2 or image.shape[2:] == (1,)
    if image.dtype != np.uint8 or image.size == 0 or not (grey or image.shape[2:] == (3,)):
        raise ValueError(f"cannot write {image.dtype} {list(image.shape)}; expected uint8 [h, w] or [h, w, 3] in BGR.")
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if grey else image


def _padded_size(width: int, height: int) -> tuple[int, int]:
    """The size that a codec takes: even, and of one block at least."""
    return max(_SMALLEST_SIDE, width + width % 2), max(_SMALLEST_SIDE, height + height % 2)


def _padded(image: np.ndarray) -> np.ndarray:
    """An image with its last row and column repeated up to `_padded_size`."""
    height, width = image.shape[:2]
    right, bottom = _padded_size(width, height)
    if (right, bottom) == (width, height):
        return image
    return cv2.copyMakeBorder(image, 0, bottom - height, 0, right - width, cv2.BORDER_REPLICATE)
