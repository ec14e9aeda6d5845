"""Writing files so that a reader never sees half of one: write beside, then rename."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from femo_jax.errors import FemoError


def cache_folder() -> Path:
    """Where femo keeps what it can make again: `$FEMO_CACHE`, or `~/.cache/femo`."""
    return Path(os.environ.get("FEMO_CACHE") or "~/.cache/femo").expanduser()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` when the block ends without an error.

    Where `path` is a symbolic link, the file that it leads to is replaced. A pipe, a device and what is open already,
    such as `/dev/stdout`, take the contents at the end and stay what they are.

    The temporary name keeps the suffix of `path`, so that writers that choose a format by suffix work.

    Raises:
      FemoError: the folder cannot be made, or the disk is full; `path` keeps its old contents.
    """
    target = Path(path)
    place = Path(os.path.realpath(target))
    try:
        special = target.exists() and (_is_open_already(target) or not (target.is_file() or target.is_dir()))
        if not special:
            place.parent.mkdir(parents=True, exist_ok=True)
        folder = None if special else place.parent
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=folder)
    except OSError as error:
        raise FemoError(f"{target}: cannot be written ({error.strerror}). Choose a folder you may write to.") from error
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        if special:
            with beside.open("rb") as contents, os.fdopen(os.open(target, os.O_WRONLY | os.O_APPEND), "wb") as taker:
                shutil.copyfileobj(contents, taker)
        else:
            beside.chmod(0o666 & ~_umask())
            beside.replace(place)
    except OSError as error:
        raise FemoError(
            f"{target}: could not be written ({error.strerror or error}); its old contents, if any, are kept."
            " Make room or choose another folder."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Makes sure, without making anything, that there is a place for `path`, for a caller about to work long before.

    Raises:
      FemoError: it is a folder, or its folder is none, or may not be written to.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise FemoError(f"{path}: is a folder. Name a file.")
    there = next(folder for folder in place.parents if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise FemoError(f"{path}: cannot be written, since {there} is no folder that you may write to. Choose another.")


def _is_open_already(path: Path) -> bool:
    """Whether a path stands for what is open, as `/dev/stdout` does, which may lead to a file that others write to."""
    return re.fullmatch(r"/dev/(stdout|stderr|fd/\d+)|/proc/[^/]+/fd/\d+", str(path)) is not None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes UTF-8 text to `path` as a whole or not at all; names of files that are no UTF-8 keep their bytes."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="surrogateescape")


def printable(path: str | os.PathLike[str]) -> str:
    """The name of a file for a person to read: bytes that are no UTF-8, which no terminal takes, become `\ufffd`."""
    return os.fsencode(path).decode("utf-8", "replace")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON to `path` as a whole or not at all; NaN is refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
