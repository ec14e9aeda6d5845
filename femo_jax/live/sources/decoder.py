"""Video decoding by FFmpeg, through PyAV: time stamps, pixel aspect, rotation, transparency and damage."""

import errno
import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import cv2
import numpy as np
from av.error import ExitError, FFmpegError, InvalidDataError
from av.format import Flags

from femo_jax.errors import SourceError
from femo_jax.live.sources.content import on_white

_HIGHEST_RATE = 1000.0  # frames a second; what is above is a broken header
_LARGEST_ASPECT = 8.0  # of a pixel; what is above is a broken header
_MOST_ERRORS = 100  # errors in a row, after which nothing more can be expected
_TEXT_FORMATS = ("tty",)  # FFmpeg would draw a text file as a video
_PLAYLISTS = ("hls", "dash")  # their size is that of the list
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


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
            self._container: Any = av.open(
                place, format=file_format, timeout=limit, options=options or {}, metadata_errors="replace"
            )
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
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.frames_per_second = rate if 0 < rate <= _HIGHEST_RATE else None
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
        return container.format.name not in _PLAYLISTS and container.size > 0

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
