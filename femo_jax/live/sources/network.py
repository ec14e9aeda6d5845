"""Streams, clips and images from the network."""

import base64
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.live.sources.addresses import SCHEMES, host_of, redacted
from femo_jax.live.sources.live import LiveSource

if TYPE_CHECKING:
    from femo_jax.live.sources.clips import ClipSource, Decoder

_OPTIONS = {"rtsp_flags": "prefer_tcp"}
_REMEDY = "Check the address, and user and password if it needs them."
_LARGEST_IMAGE = 2**28  # bytes of an image that is downloaded


class StreamCapture:
    """The frames of an open stream, with the methods of `cv2.VideoCapture` that `LiveSource` uses."""

    def __init__(self, decoder: "Decoder") -> None:
        """Takes over the decoder, and closes it in `release`."""
        self._decoder = decoder
        self._frames: Iterator[Any] = decoder.frames()
        self._frame: Any = None

    def isOpened(self) -> bool:  # noqa: N802
        """Whether there is a stream: always."""
        return True

    def grab(self) -> bool:
        """Decodes the next frame; False where the stream ends, breaks off or times out."""
        try:
            self._frame = next(self._frames, None)
        except SourceError:
            self._frame = None
        return self._frame is not None

    def retrieve(self) -> tuple[bool, np.ndarray]:
        """The frame, `[h, w, 3] uint8` BGR."""
        return True, self._decoder.to_bgr(self._frame)

    def get(self, propId: int, /) -> float:  # noqa: N803
        """The announced frame rate; 0 for everything else."""
        return (self._decoder.frames_per_second or 0.0) if propId == cv2.CAP_PROP_FPS else 0.0

    def set(self, propId: int, value: float, /) -> bool:  # noqa: N803
        """Streams have no settings."""
        return False

    def release(self) -> None:
        """Closes the connection."""
        self._decoder.close()


def open_network(
    address: str,
    give_up_after: float = 30.0,
    timeout: float = 10.0,
    *,
    decode: "Callable[..., Decoder] | None" = None,
) -> "LiveSource | ClipSource":
    """Opens a stream by its address; a file of known size or duration over HTTP is read whole, as a clip.

    Args:
      address: with one of `SCHEMES`; user and password may stand before the host.
      give_up_after: seconds without a frame until a stream is given up.
      timeout: seconds that opening, and waiting for a packet, may take.
      decode: opens a decoder; None for FFmpeg's.

    Raises:
      SourceError: the scheme is another, the address is invalid, or nothing answers there with video.
    """
    _check(address)
    name = redacted(address)

    def connect() -> StreamCapture:
        return StreamCapture(_open(address, name, timeout, decode))

    decoder = _open(address, name, timeout, decode)
    if address.lower().startswith("http") and decoder.is_finite:
        from femo_jax.live.sources.clips import ClipSource

        return ClipSource(decoder, name)
    return LiveSource(StreamCapture(decoder), name, connect, give_up_after=give_up_after)


def download_image(address: str, timeout: float = 10.0) -> bytes:
    """Downloads an image by its http or https address; user and password may stand before the host.

    Raises:
      SourceError: the address is invalid, nothing answers, the server refuses, or the file is too large.
    """
    _check(address)
    name = redacted(address)
    parts = urllib.parse.urlsplit(address)
    credentials, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host, fragment="").geturl(), headers={"User-Agent": "femo"})
    if at:
        encoded = base64.b64encode(urllib.parse.unquote_to_bytes(credentials)).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            contents = answer.read(_LARGEST_IMAGE + 1)
    except urllib.error.HTTPError as error:
        raise SourceError(f"{name}: the server answers {error.code} {error.reason}. {_REMEDY}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise SourceError(f"{name}: cannot be downloaded ({reason}). {_REMEDY}") from error
    if len(contents) > _LARGEST_IMAGE:
        raise SourceError(f"{name}: larger than {_LARGEST_IMAGE / 2**20:.0f} MiB, which femo does not download.")
    return contents


def _check(address: str) -> None:
    """Raises SourceError for an address that femo does not open."""
    scheme = address.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise SourceError(f"{scheme}: femo does not open such addresses; expected one of {', '.join(SCHEMES)}.")
    if host_of(address) is None:
        raise SourceError(
            f"{redacted(address)}: not a valid address; expected, for example, rtsp://user:password@host:554/stream."
            " Write special characters in user and password as % and their code: / as %2F, # as %23, @ as %40."
        )


def _open(address: str, name: str, timeout: float, decode: "Callable[..., Decoder] | None") -> "Decoder":
    """Opens a decoder, or raises SourceError with the reason."""
    if decode is None:
        from femo_jax.live.sources.clips import Decoder

        decode = Decoder
    began = time.monotonic()
    try:
        return decode(address, timeout=timeout, threads=False, options=_OPTIONS)
    except SourceError as error:
        reason = f"nothing answered within {timeout:g} s" if time.monotonic() - began >= timeout else str(error)
        raise SourceError(f"{name}: cannot be opened ({reason}). {_REMEDY}") from error
