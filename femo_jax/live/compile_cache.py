"""JAX's persistent compilation cache for what live recognition compiles, so that the second start is a fast one."""

import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from femo_jax.files import cache_folder, can_be_written

_FOLDER, _SHORTEST = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"


_lock = threading.RLock()
"""Held while JAX's options, which all threads share, are other than the user's."""


@contextmanager
def persistent_cache() -> Iterator[None]:
    """Whatever is compiled in the block is kept on disk, and taken from there the next time.

    It is kept in JAX's folder (`JAX_COMPILATION_CACHE_DIR`, or the option of that name) if one is set, else in femo's
    cache folder; where that cannot be written, nothing is kept. Afterwards JAX's options are what they were.
    """
    with _lock, _repairing(), _option(_SHORTEST, 0.0):  # JAX keeps by default what took a second
        folder = cache_folder() / "xla"
        if getattr(jax.config, _FOLDER) is not None or not can_be_written(folder):
            yield
            return
        with _option(_FOLDER, str(folder)):
            try:
                yield
            finally:
                compilation_cache.reset_cache()  # JAX holds on to the folder that it used first


def repair(message: str) -> str | None:
    """Remove damaged entries of JAX's compilation cache, such as those that a full disk cut short.

    JAX never replaces an entry, and so would warn at every start. Called with its warning, before it stores what it
    then compiles, this lets it store a whole entry.

    Args:
      message: of a warning.

    Returns:
      What to print in place of the message; None where it is not about the cache, or no entry is damaged.
    """
    folder = getattr(jax.config, _FOLDER)
    if "reading persistent compilation cache entry" not in message or not folder:
        return None
    damaged = [path for path in Path(folder).glob("*-cache") if not _is_whole(path)]
    for path in damaged:
        path.unlink(missing_ok=True)
    return f"removed {len(damaged)} damaged files of JAX's compilation cache in {folder}" if damaged else None


@contextmanager
def _repairing() -> Iterator[None]:
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_or_repair(message: Warning | str, *arguments: Any) -> None:
            repaired = repair(str(message))
            show(message if repaired is None else UserWarning(repaired), *arguments)

        warnings.showwarning = show_or_repair
        yield


def _is_whole(path: Path) -> bool:
    """Whether an entry can be decompressed; JAX uses zlib, and zstandard where that is installed."""
    contents = path.read_bytes()
    if contents.startswith(b"\x28\xb5\x2f\xfd"):
        return True
    try:
        zlib.decompress(contents)
    except zlib.error:
        return False
    return True


@contextmanager
def _option(name: str, value: object) -> Iterator[None]:
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)
