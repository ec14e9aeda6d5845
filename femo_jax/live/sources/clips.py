"""Clips: every frame with its time, decoded by FFmpeg through PyAV; import it where a clip is opened.

PyAV loads thirty libraries, which takes time that only clips and network streams are worth.
"""

import errno
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import cv2
import numpy as np
from av.error import ExitError, FFmpegError, InvalidDataError
from av.format import Flags

from femo_jax.errors import SourceError
from femo_jax.files import library_path, printable
from femo_jax.live.sources.frame import Frame, on_white, usable_rate

logger = logging.getLogger(__name__)

_USUAL_RATE = 30.0  # frames a second, where a clip announces none
_WHOLE = 0.95  # part of the announced duration that makes a clip whole: some formats only estimate it
_REMEDY = "Check that another player shows it, and copy, download or convert it again."
_LARGEST_ASPECT = 8.0  # of a pixel; what is above is a broken header
_MOST_ERRORS = 100  # errors in a row, after which nothing more can be expected
_TEXT_FORMATS = ("tty",)  # FFmpeg would draw a text file as a video
# Titles need not be UTF-8; from version 19 on, PyAV takes them as they are without being told so.
_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
_PLAYLISTS = ("hls", "dash")  # their size is that of the list
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def _is_mirrored(frame: Any) -> bool:
    """Whether a frame's display matrix, two rows of two numbers and a third of each, turns left and right around."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).astype(float)
    return bool(a * d < b * c)


class Decoder:
    """The frames of the first video stream of a file or an address.

    A frame that cannot be decoded is left out and counted, and decoding resumes with the next one.

    Attributes:
      frames_per_second: the mean rate that the container announces; None if it announces none, or an impossible one.
      duration: seconds that the video stream is announced to last; None if it is not.
      rotation: degrees, counterclockwise, by which the last frame was turned.
      damaged: packets that could not be decoded, so far.
    """

    def __init__(
        self,
        place: str | BinaryIO,
        *,
        file_format: str | None = None,
        timeout: float | None = None,
        threads: bool = True,
        options: dict[str, str] | None = None,
    ) -> None:
        """Opens a container.

        Args:
          place: UTF-8 path or address, or an open file.
          file_format: FFmpeg's name of the container format; None recognises it by content.
          timeout: seconds that opening, and waiting for a packet, may take each; None waits for ever.
          threads: decode several frames at once, which delays them.
          options: of FFmpeg's demuxers and protocols.

        Raises:
          SourceError: there is no video in it; the message begins with the reason and does not name the place.
          FFmpegError: FFmpeg cannot open it.
        """
        limit: Any = None if timeout is None else (timeout, timeout)
        try:
            self._container: Any = av.open(place, format=file_format, timeout=limit, options=options or {}, **_METADATA)
        except FFmpegError as error:
            raise SourceError(_reason(error)) from error
        streams = self._container.streams.video
        if not streams or self._container.format.name in _TEXT_FORMATS:
            self._container.close()
            raise SourceError("holds no video")
        self._stream = streams[0]
        if threads:
            self._stream.thread_type = "AUTO"
        self._aspect = _pixel_aspect(self._stream)
        self.frames_per_second = usable_rate(float(self._stream.average_rate or self._stream.guessed_rate or 0))
        self.duration = self._announced_duration()
        self.rotation = 0
        self.damaged = 0

    def frames(self) -> Iterator[Any]:
        """Yields every frame that can be decoded, as `av.VideoFrame`, in the order in which they are shown.

        Raises:
          FFmpegError: reading failed too often in a row, or timed out.
        """
        packets, errors = self._container.demux(self._stream), 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                # The last packet, which is empty, makes the decoder give what it holds back.
                decoded = packet.decode()
            except FFmpegError as error:
                self.damaged += 1
                errors += 1
                if errors == _MOST_ERRORS or isinstance(error, OSError | ExitError):
                    raise SourceError(_reason(error)) from error
                packets = self._container.demux(self._stream)
                continue
            for frame in decoded:
                errors = 0
                yield frame

    def to_bgr(self, frame: Any) -> np.ndarray:
        """A frame as a player shows it: with square pixels, upright, transparent parts on white.

        Returns:
          `[h, w, 3] uint8` BGR.
        """
        width, height = _square_pixels(frame.width, frame.height, self._aspect)
        if any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8":
            image = on_white(frame.to_ndarray(format="bgra", width=width, height=height))
        else:
            image = frame.to_ndarray(format="bgr24", width=width, height=height)
        if _is_mirrored(frame):
            image = cv2.flip(image, 0)  # upside down; the rotation that is stated with it does the rest
        self.rotation = round(frame.rotation / 90) * 90 % 360
        return cv2.rotate(image, _TURNS[self.rotation]) if self.rotation else image

    def close(self) -> None:
        """Closes the file or connection."""
        self._container.close()

    @property
    def is_finite(self) -> bool:
        """Whether the container has an end: it announces its duration, or the server the size of the file."""
        container = self._container
        if container.duration is not None and container.duration > 0:
            return True
        return container.format.name not in _PLAYLISTS and (container.size or 0) > 0  # None in PyAV 19 where unknown

    def _announced_duration(self) -> float | None:
        """That of the video stream; that of the container only where nothing else may last longer."""
        stream, container = self._stream, self._container
        if container.format.flags & Flags.no_timestamps.value:  # guessed from the size of the file
            return None
        seconds = None
        if container.format.name == "avi" and stream.frames and self.frames_per_second:
            seconds = stream.frames / self.frames_per_second  # FFmpeg shortens the duration of a file that is cut off
        elif stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif "DURATION" in stream.metadata:  # Matroska: 00:00:02.920000000
            seconds = _seconds(stream.metadata["DURATION"])
        elif len(container.streams) == 1 and container.duration is not None:
            seconds = container.duration / 1_000_000
        return seconds if seconds is not None and math.isfinite(seconds) and seconds > 0 else None


def _reason(error: FFmpegError) -> str:
    """Why FFmpeg failed, without the address, in which there may be a password."""
    if isinstance(error, InvalidDataError):
        return "holds no video that FFmpeg decodes, or is damaged"
    if error.errno == errno.EIO:  # FFmpeg's code for all failures of name resolution
        return "the host is unknown, or the connection broke"
    return str(error.strerror)


def _pixel_aspect(stream: Any) -> float:
    """Width of a pixel over its height; 1 where none, or an impossible one, is announced."""
    aspect = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return aspect if 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT else 1.0


def _square_pixels(width: int, height: int, aspect: float) -> tuple[int, int]:
    """The size of a frame with square pixels that loses none of its rows and columns."""
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def _seconds(clock: str) -> float | None:
    """Seconds of `hours:minutes:seconds`; None for anything else."""
    try:
        hours, minutes, seconds = (float(part) for part in clock.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


class ClipSource:
    """A clip, of which every frame is handed over; see `femo_jax.live.sources.FrameSource`.

    A frame that cannot be decoded is left out, and a clip that is cut off ends with what there is; both with a warning
    in the log.

    Attributes:
      damaged: parts of the clip that could not be decoded, so far.
    """

    def __init__(self, decoder: Decoder, name: str) -> None:
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
        """Seconds since the first frame; where the clip's clock is missing or stands still, its rate gives the time."""
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
    """An animated WebP, which FFmpeg does not decode; see `femo_jax.live.sources.FrameSource`."""

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
    try:
        with library_path(path) as place:
            decoder = Decoder(place, file_format=file_format)
    except SourceError as error:
        raise SourceError(
            f"{printable(path)}: neither an image nor a clip that can be read ({error}). {_REMEDY}"
        ) from error
    return ClipSource(decoder, str(path))
