"""JAX's persistent compilation cache for what live recognition compiles, so that the second start is a fast one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from femo_jax.files import cache_folder

_FOLDER, _SHORTEST = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"


@contextmanager
def persistent_cache() -> Iterator[None]:
    """Whatever is compiled in the block is kept on disk, and taken from there the next time.

    It is kept where the user told JAX to (`JAX_COMPILATION_CACHE_DIR`, or the option of that name), else in femo's
    cache folder; where that cannot be written, nothing is kept. Afterwards JAX's options are what they were.
    """
    with _option(_SHORTEST, 0.0):  # JAX keeps by default what took a second
        folder = cache_folder() / "xla"
        if getattr(jax.config, _FOLDER) is not None or not _can_be_written(folder):
            yield
            return
        with _option(_FOLDER, str(folder)):
            try:
                yield
            finally:
                compilation_cache.reset_cache()  # JAX holds on to the folder that it used first


@contextmanager
def _option(name: str, value: object) -> Iterator[None]:
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
