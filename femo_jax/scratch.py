"""Temporary folders beside their target, which a later process removes if theirs was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Creates a temporary folder inside `parent`, so that renaming out of it is atomic; removes it at the end.

    Its lock is held for as long as the block lasts, from which `remove_abandoned` knows that the process lives.

    Args:
      parent: an existing folder.
      prefix: of the folder's name; `parent.glob(f"{prefix}*")` are the folders to give to `remove_abandoned`.

    Yields:
      The path of the folder.

    Raises:
      OSError: the folder cannot be created.
    """
    folder, lock = _create(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(folders: Iterable[Path]) -> None:
    """Removes those of the given scratch folders whose process was killed.

    Folders of other users, those that a living process holds and those on file systems without locks stay.
    """
    for folder in folders:
        with suppress(OSError):  # gone meanwhile, or held by its process
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _create(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, and the handle that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = _lock(folder, fcntl.LOCK_EX)
        # Another process may have taken it for abandoned before it was locked.
        if folder.exists():
            return folder, lock
        os.close(lock)


def _lock(folder: Path, operation: int) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # no locks on this file system, so that nobody else can take it for abandoned either
        if operation & fcntl.LOCK_NB:
            os.close(handle)
            raise
    return handle
