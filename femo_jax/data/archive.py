"""The files of a folder, a zip, a tar or a single file behind one interface: within limits, and to a verified end."""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from femo_jax.data.reading import (
    MEGABYTE,
    Limits,
    check_size,
    data_error,
    existing,
    is_visible,
    list_folder,
    reporting_damage,
    unpacked,
)
from femo_jax.files import printable

_BLOCK = 512
_ZIP_TAIL = (1 << 16) + 200  # bytes within which a zip's end record lies: its comment has at most 65,535
_ZIP_START = b"PK\x03\x04"


class DatasetArchive(Protocol):
    """The files inside a folder or an archive.

    Attributes:
      path: Folder or archive.
      names: Files inside, with `/` between folders, in the order in which they are quickest to read; the same for
        every run. Hidden files are left out.
      left_out: Names of entries that are neither files nor folders, such as pipes, and of links that lead nowhere new.
      limits: Bounds on what is read.
    """

    @property
    def path(self) -> Path: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def left_out(self) -> Sequence[str]: ...

    @property
    def limits(self) -> Limits: ...

    def _size(self, name: str) -> int: ...

    def _open(self, name: str) -> BinaryIO: ...


class _SingleFile:
    """A file, plain or compressed, as an archive of itself."""

    left_out: Sequence[str] = ()

    def __init__(self, path: Path, limits: Limits):
        self.path = path
        self.limits = limits
        self.names = (path.name,)

    def _size(self, name: str) -> int:
        return self.path.stat().st_size

    def _open(self, name: str) -> BinaryIO:
        return unpacked(self.path, self.limits)


class _Folder:
    def __init__(self, path: Path, limits: Limits):
        self.path = path
        self.limits = limits
        self.names, self.left_out = list_folder(path)

    def _size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def _open(self, name: str) -> BinaryIO:
        return unpacked(self.path / name, self.limits)


class _Files(_Folder):
    """Some files of a folder, whatever else is in it."""

    def __init__(self, path: Path, names: Sequence[str], limits: Limits):
        self.path = path
        self.limits = limits
        self.names, self.left_out = list(names), []


def files_of(folder: Path, names: Sequence[str], limits: Limits | None = None) -> DatasetArchive:
    """Files of a folder by their names relative to it, as an archive.

    Raises:
      DataError: one of them is not there, or is not a file.
    """
    for name in names:
        if not existing(folder / name).is_file():
            raise data_error(folder / name, "is a folder; expected an image file.")
    return _Files(folder, names, limits or Limits())


class _Zip:
    left_out: Sequence[str] = ()

    def __init__(self, path: Path, archive: zipfile.ZipFile, limits: Limits):
        self.path = path
        self.limits = limits
        self._archive = archive
        if len(archive.infolist()) != _entries_of_zip(path):
            raise data_error(path, "the directory of this zip is damaged: it lacks entries. Download it again.")
        files = [info for info in archive.infolist() if not info.is_dir() and is_visible(info.filename)]
        self.names = sorted(info.filename for info in files)
        for name, following in zip(self.names, self.names[1:], strict=False):
            if name == following:
                raise data_error(path, f"{printable(name)} is in this zip twice. Pack it again without duplicates.")

    def _size(self, name: str) -> int:
        return self._archive.getinfo(name).file_size

    def _open(self, name: str) -> BinaryIO:
        return io.BufferedReader(self._archive.open(name))  # pyright: ignore[reportArgumentType]


class _Tar:
    def __init__(self, path: Path, archive: tarfile.TarFile, limits: Limits):
        self.path = path
        self.limits = limits
        self._archive = archive
        self._members: dict[str, tarfile.TarInfo] = {}
        self.left_out: list[str] = []
        for info in archive:
            check_size(path, info.name, info.size, limits.file_mb, "file-mb")
            if info.isdir() or not is_visible(info.name):
                continue
            target = self._target(info)
            if target is not None and target.isreg():
                self._members[info.name] = target
            else:
                self.left_out.append(info.name)
        self._check_end()
        # In the order of the archive: each step back would unpack a tar.gz from its beginning.
        self.names = list(self._members)

    def _target(self, info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """The file that a link stands for, one of the members before it; itself where it is no link."""
        if not (info.islnk() or info.issym()):
            return info
        folder = os.path.dirname(info.name) if info.issym() else ""  # noqa: PTH120 (of a name in the archive)
        return self._members.get(os.path.normpath(f"{folder}/{info.linkname}" if folder else info.linkname))

    def _check_end(self) -> None:
        """Reads to the end: tarfile takes a damaged header for the end, and checksums of compressed data come last."""
        file = self._archive.fileobj
        assert file is not None
        file.seek(self._archive.offset)
        block = file.read(_BLOCK)
        after = "the first member" if not self._members else printable(list(self._members)[-1])
        if len(block) < _BLOCK:
            raise data_error(self.path, f"cut off after {after}: this tar has no end marker. Download it again.")
        while block:
            if block.strip(b"\0"):
                raise data_error(self.path, f"the header after {after} is damaged. Download this tar again.")
            block = file.read(MEGABYTE)

    def _size(self, name: str) -> int:
        return self._members[name].size

    def _open(self, name: str) -> BinaryIO:
        file = self._archive.extractfile(self._members[name])
        assert file is not None, "only regular files are listed"
        return file  # pyright: ignore[reportReturnType]


@contextmanager
def open_archive(path: str | os.PathLike[str], limits: Limits | None = None) -> Iterator[DatasetArchive]:
    """Opens a folder, a zip, a tar (also compressed) or a single file (also compressed), recognised by content.

    Raises:
      DataError: The path does not exist, or the archive is damaged or exceeds a limit.
    """
    path, limits = existing(path), limits or Limits()
    kind = "" if path.is_dir() else archive_kind(path, limits)
    if path.is_dir():
        yield _Folder(path, limits)
    elif kind == "zip":
        with reporting_damage(path, listing=True):
            archive = zipfile.ZipFile(path)
            listed = _Zip(path, archive, limits)
        with archive:
            yield listed
    elif kind == "tar":
        with unpacked(path, limits) as file:
            with reporting_damage(path, listing=True):
                listed = _Tar(path, tarfile.TarFile(fileobj=file), limits)
            yield listed
    else:
        yield _SingleFile(path, limits)


@contextmanager
def open_member(archive: DatasetArchive, name: str) -> Iterator[BinaryIO]:
    """Opens a file of an archive for reading its bytes; one that is compressed by itself is decompressed.

    Raises:
      DataError: The file is damaged or exceeds a limit; the message names it and the archive. Raised also while it is
        being read.
    """
    what = member_path(archive, name)
    with reporting_damage(what), archive._open(name) as file:
        yield file


def read_image_file(archive: DatasetArchive, name: str) -> bytes:
    """Reads a whole image file.

    Raises:
      DataError: As `open_member`; or it is larger than `Limits.image_mb`.
    """
    with reporting_damage(member_path(archive, name)):
        size = archive._size(name)
    check_size(archive.path, name, size, archive.limits.image_mb, "image-mb")
    with open_member(archive, name) as file:
        return file.read()


def member_path(archive: DatasetArchive, name: str) -> str:
    """How messages name a file of an archive: `fer2013.zip: train/angry/Training_1.jpg`."""
    path = printable(archive.path)
    return path if isinstance(archive, _SingleFile) else f"{path}: {printable(name)}"


def archive_kind(path: Path, limits: Limits) -> str:
    """Whether a file is a `zip` or a `tar`, also a compressed one, by its content; empty where it is neither.

    Raises:
      DataError: It begins as a zip does, but the directory at its end is missing; or it cannot be read.
    """
    with reporting_damage(path):
        with path.open("rb") as file:
            start = file.read(4)
        if start != _ZIP_START and _is_tar(path, limits):
            return "tar"
        if zipfile.is_zipfile(path):
            return "zip"
    if start == _ZIP_START:
        raise data_error(path, "this zip is cut off or damaged (its directory is missing). Download it again.")
    return ""


def _entries_of_zip(path: Path) -> int:
    """How many entries the record at the end of a zip declares, which zipfile does not compare with what it finds."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _ZIP_TAIL))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    entries = int.from_bytes(tail[end + 10 : end + 12], "little")
    large = tail.rfind(b"PK\x06\x06", 0, end)  # the record of zip64, for more entries than fit into 16 bits
    return int.from_bytes(tail[large + 32 : large + 40], "little") if entries == 0xFFFF and large >= 0 else entries


def _is_tar(path: Path, limits: Limits) -> bool:
    try:
        with unpacked(path, limits) as file:
            tarfile.TarInfo.frombuf(file.read(_BLOCK), tarfile.ENCODING, "surrogateescape")
    except EOFError:  # cut off in its first block, like a tar that is not finished
        return True
    except (tarfile.TarError, ValueError):
        return False
    return True
