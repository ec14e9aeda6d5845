"""Model files of detectors that are fetched once from a pinned address."""

import logging
from pathlib import Path

from femo_jax.errors import FemoError
from femo_jax.files import cache_folder, printable

YUNET_URL = "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/0047ac24/onnx/yunet_n_640_640.onnx"
"""Of the repository of YuNet's authors, at a commit."""

YUNET_SHA256 = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"
"""Digest of the file, without which nothing is used."""

_TIMEOUT = 30  # seconds without a byte


def yunet_file() -> Path:
    """The published model of YuNet, in femo's cache; fetched on first use.

    Raises:
      FemoError: it is not in the cache and cannot be fetched, or what comes is another file.
    """
    import pooch  # takes a tenth of a second, which only this needs

    place = cache_folder() / "models" / "yunet_n_640_640.onnx"
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        fetched = pooch.retrieve(
            YUNET_URL,
            known_hash=f"sha256:{YUNET_SHA256}",
            fname=place.name,
            path=place.parent,
            downloader=pooch.HTTPDownloader(timeout=_TIMEOUT),  # pyright: ignore[reportArgumentType]
        )
    except (OSError, ValueError) as error:  # requests' errors are OSError; another digest is ValueError
        raise FemoError(
            f"the model of YuNet could not be fetched from {YUNET_URL} ({_reason(error)}). Connect this machine to the"
            f" network once, or copy the file from another one to {printable(place)}, or give its path in `model`."
        ) from error
    return Path(fetched)


def _reason(error: Exception) -> str:
    """An error in a few words, without the objects of libraries in their texts."""
    if isinstance(error, ValueError):
        return "what comes from there is another file"
    return getattr(error, "strerror", None) or type(error).__name__
