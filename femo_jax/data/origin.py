"""What a prepared data set was made from, so that two sources are never taken for each other."""

import hashlib
import os
from pathlib import Path
from typing import TypedDict

from femo_jax.data.folder_form import is_picture
from femo_jax.data.sources import existing


class Fingerprint(TypedDict):
    """A file or folder at one time: its absolute path, and a digest that changes when it changes."""

    path: str
    digest: str


def fingerprint(path: str | os.PathLike[str]) -> Fingerprint:
    """Takes the fingerprint of a file or folder from names, sizes and times, without reading contents.

    The times of pictures in a folder do not count, so that the same ones may be unpacked anew.

    Raises:
      DataError: nothing is there.
    """
    path = existing(path).resolve()
    digest = hashlib.sha256(str(path).encode())
    if path.is_dir():
        for folder, folders, files in os.walk(path):
            folders.sort()
            for file in sorted(files):
                inside = Path(folder, file)
                status = inside.stat()
                time = "" if is_picture(file) else f" {status.st_mtime_ns}"
                digest.update(f"\n{inside.relative_to(path)} {status.st_size}{time}".encode())
    else:
        status = path.stat()
        digest.update(f"\n{status.st_size} {status.st_mtime_ns}".encode())
    return {"path": str(path), "digest": digest.hexdigest()}
