"""Streams and clips from the network."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import cv2

from femo_jax.errors import SourceError
from femo_jax.live.sources.capture import Capture, quiet
from femo_jax.live.sources.clips import ClipSource
from femo_jax.live.sources.live_source import LiveSource

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Of the addresses that femo opens."""


def open_network(
    address: str,
    give_up_after: float = 30.0,
    timeout: float = 10.0,
    *,
    capture: Callable[[str, int, Sequence[int]], Capture] = cv2.VideoCapture,
) -> LiveSource | ClipSource:
    """Opens a stream by its address; a clip of known length over HTTP is read whole, like a file.

    Args:
      address: with one of `SCHEMES`; user and password may stand before the host.
      give_up_after: seconds without a frame until a stream is given up.
      timeout: seconds that opening, and waiting for a frame, may take.
      capture: makes a capture of an address, a backend and a list of settings with their values.

    Raises:
      SourceError: the scheme is another, the address is not one, or nothing answers there.
    """
    scheme = address.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise SourceError(f"{scheme}: femo does not open such addresses; expected one of {', '.join(SCHEMES)}.")
    name = without_password(address)
    milliseconds = round(1000 * timeout)
    settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]

    def connect() -> Capture:
        with quiet:
            opened = capture(address, cv2.CAP_FFMPEG, settings)
        if not opened.isOpened():
            raise SourceError(
                f"{name}: cannot be opened; nothing answered within {timeout:g} s, or not with video. Check the"
                " address, and user and password where it wants them."
            )
        return opened

    opened = connect()
    if scheme.startswith("http") and opened.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return ClipSource(opened, name)
    return LiveSource(opened, name, connect, give_up_after=give_up_after)


def without_password(address: str) -> str:
    """An address fit for messages and logs: a password in it is replaced by stars.

    Raises:
      SourceError: it is not an address.
    """
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SourceError(f"not an address of a stream: {error}.") from error
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return parts._replace(netloc=f"{name}{colon}{'***' if colon else ''}{at}{host}").geturl()
