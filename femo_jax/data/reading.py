"""Reading files that others made: permissions, links, compression, limits and damage, reported as `DataError`."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from femo_jax.errors import DataError
from femo_jax.files import printable

# What zipfile, tarfile and the decompressors raise on damaged input; RuntimeError is zipfile's for encrypted members.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
# What they raise besides while they list a damaged archive: its fields are used before they are checked.
_DAMAGED_LISTING = (ValueError, LookupError, OverflowError, MemoryError)

MEGABYTE = 1 << 20
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
_LARGEST_READ = 64  # MiB
_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


@dataclass(frozen=True)
class Limits:
    """Bounds on what is read from a data set, checked before memory is allocated."""

    image_mb: int = 64
    """Largest image file, unpacked, in MiB."""
    file_mb: int = 16_384
    """Largest file of any kind, unpacked, in MiB."""


class _LimitedFile(io.BufferedIOBase):
    """A file that refuses to be read beyond a size, or in pieces that no well-formed archive asks for."""

    def __init__(self, file: BinaryIO, path: Path, limits: Limits):
        super().__init__()
        self._file = file
        self._path = path
        self._limits = limits

    def read(self, size: int | None = -1, /) -> bytes:
        largest = max(_LARGEST_READ, self._limits.image_mb) * MEGABYTE
        content = self._file.read(largest + 1 if size is None or size < 0 else min(size, largest + 1))
        if len(content) > largest:
            raise data_error(self._path, f"a part of more than {_megabytes(largest)} MB; the file is damaged.")
        self._check_position()
        return content

    def read1(self, size: int = -1, /) -> bytes:
        content = self._file.read(MEGABYTE if size < 0 else min(size, MEGABYTE))
        self._check_position()
        return content

    def _check_position(self) -> None:
        check_size(self._path, "", self._file.tell(), self._limits.file_mb, "file-mb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a data set, with `~` resolved.

    Raises:
      DataError: Nothing is there that can be read more than once, or it may not be read.
    """
    try:
        path = Path(path).expanduser()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise data_error(
            path,
            "no such file or folder. Give FER-2013 as fer2013.csv, icml_face_data.csv, fer2013.tar.gz,"
            " Kaggle's zip or its unpacked folder; `femo data download` fetches it.",
        ) from error
    except (OSError, RuntimeError) as error:  # RuntimeError: `~user` of an unknown user
        raise data_error(path, f"cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise data_error(
            path, "is a pipe or a device, and a data set is read several times. Write it to a file, and give that."
        )
    if not os.access(path, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
        raise data_error(path, "cannot be read (permission denied). Change its permissions, or copy it.")
    return path


def list_folder(path: Path) -> tuple[list[str], list[str]]:
    """Lists the visible files below a folder, symbolic links followed, in alphabetical order.

    Returns:
      The names relative to `path`, with `/` between folders; and the names of what is neither file nor folder, or a
      link to a folder that contains it.

    Raises:
      DataError: A folder below cannot be read, or a link leads nowhere.
    """
    files: list[str] = []
    left_out: list[str] = []

    try:
        status = path.stat()
        pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ((status.st_dev, status.st_ino),))]
        while pending:
            folder, ancestors = pending.pop()
            with os.scandir(path / folder) as entries:
                visible = [entry for entry in entries if is_visible(entry.name)]
            for entry in visible:
                name = f"{folder}/{entry.name}" if folder else entry.name
                status = _status(entry)
                identity = (status.st_dev, status.st_ino)
                if stat.S_ISREG(status.st_mode):
                    files.append(name)
                elif not stat.S_ISDIR(status.st_mode) or identity in ancestors:
                    left_out.append(name)
                else:
                    pending.append((name, (*ancestors, identity)))
    except OSError as error:
        raise data_error(
            error.filename or path, f"cannot be read ({error.strerror}). Change its permissions, or copy it."
        ) from error
    return sorted(files), sorted(left_out)


def unpacked(path: Path, limits: Limits) -> BinaryIO:
    """A file without its gzip, bzip2 or xz compression, known by its first bytes."""
    with path.open("rb") as file:
        start = file.read(6)
    opener: Any = next((opener for magic, opener in _COMPRESSIONS.items() if start.startswith(magic)), None)
    return _LimitedFile(opener(path) if opener else path.open("rb"), path, limits)  # pyright: ignore[reportReturnType]


def is_visible(name: str) -> bool:
    """Whether a name is part of a data set and not what desktops and macOS' zip add to it."""
    return not any(part in _JUNK or (part.startswith(".") and part != ".") for part in name.split("/"))


def data_error(path: str | os.PathLike[str], problem: str) -> DataError:
    """An error whose message begins with the path, in a form that is safe to print."""
    return DataError(f"{printable(path)}: {problem}")


def check_size(path: Path, name: str, size: int, limit: int, option: str) -> None:
    if size > limit * MEGABYTE:
        where = path / name if name else path
        raise data_error(
            where,
            f"{_megabytes(size)} MB, more than the limit of {limit:,} MB. If this is right, raise the limit"
            f" with `femo data prepare --limits.{option}`.",
        )


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.0f}"


def _status(entry: "os.DirEntry[str]") -> os.stat_result:
    try:
        return entry.stat()
    except OSError as error:
        problem = "this symbolic link leads nowhere" if entry.is_symlink() else "cannot be read"
        raise data_error(entry.path, f"{problem} ({error.strerror}). Remove or correct it.") from error


@contextmanager
def reporting_damage(what: str | os.PathLike[str], *, listing: bool = False) -> Iterator[None]:
    """Turns what damaged files raise into DataError.

    Args:
      what: What is read, for the message.
      listing: Also takes errors of values and indices, which the lists of damaged archives cause.
    """
    try:
        yield
    except PermissionError as error:
        raise data_error(what, "cannot be read (permission denied). Change its permissions, or copy it.") from error
    except (*_DAMAGE, *_DAMAGED_LISTING) as error:
        if not (listing or isinstance(error, _DAMAGE)):
            raise
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise data_error(what, f"cannot be read, it is damaged or cut off ({reason}). Download it again.") from error
