"""One way to read the files inside a folder, a zip, a tar or a single file, with errors that name the damaged one."""

import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from femo_jax.errors import DataError

# What zipfile, tarfile and gzip raise on damaged input; RuntimeError is zipfile's answer to an encrypted member.
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class Source(Protocol):
    """The files inside a folder or an archive.

    Attributes:
      path: the folder or archive.
      names: the files inside, with `/` between folders, in the order in which they are quickest to read;
        the same for every run.
    """

    @property
    def path(self) -> Path: ...

    @property
    def names(self) -> Sequence[str]: ...

    def _open(self, name: str) -> BinaryIO: ...


class _File:
    """A single file, as a source of itself."""

    def __init__(self, path: Path):
        self.path = path
        self.names = (path.name,)

    def _open(self, name: str) -> BinaryIO:
        return self.path.open("rb")


class _Folder:
    def __init__(self, path: Path):
        self.path = path
        files = (
            Path(folder, file).relative_to(path).as_posix() for folder, _, files in os.walk(path) for file in files
        )
        self.names = sorted(filter(_is_visible, files))

    def _open(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")


class _Zip:
    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self.path = path
        self._archive = archive
        self.names = sorted(
            info.filename for info in archive.infolist() if not info.is_dir() and _is_visible(info.filename)
        )

    def _open(self, name: str) -> BinaryIO:
        return io.BufferedReader(self._archive.open(name))  # pyright: ignore[reportArgumentType]


class _Tar:
    def __init__(self, path: Path, archive: tarfile.TarFile):
        self.path = path
        self._archive = archive
        # In the order of the archive: each step back would unpack a tar.gz from its beginning.
        self._members = {info.name: info for info in archive if info.isfile() and _is_visible(info.name)}
        self.names = list(self._members)

    def _open(self, name: str) -> BinaryIO:
        file = self._archive.extractfile(self._members[name])
        assert file is not None, "only regular files are listed"
        return file  # pyright: ignore[reportReturnType]


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a data set, with `~` resolved.

    Raises:
      DataError: nothing is there.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder. Give FER-2013 as fer2013.csv, icml_face_data.csv, fer2013.tar.gz,"
            " Kaggle's zip or its unpacked folder; `femo data download` fetches it."
        )
    return path


@contextmanager
def open_source(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Opens a folder, a zip, a tar (also compressed) or a single file, told apart by content.

    A folder that holds nothing but one archive stands for that archive, as TFDS' manual folder does.

    Raises:
      DataError: the path does not exist, or the archive is damaged.
    """
    path = existing(path)
    if path.is_dir():
        archive = _only_archive(path)
        if archive is None:
            yield _Folder(path)
            return
        path = archive
    with _naming_damage(path):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield _Zip(path, archive)
        elif _is_tar(path):
            with tarfile.open(path) as archive:
                yield _Tar(path, archive)
        else:
            _refuse_cut_archive(path)
            yield _File(path)


@contextmanager
def open_file(source: Source, name: str) -> Iterator[BinaryIO]:
    """Opens a file of a source for reading bytes.

    Raises:
      DataError: the file is damaged; the message names it and the archive. Raised also while it is being read.
    """
    with _naming_damage(where(source, name)), source._open(name) as file:
        yield file


def where(source: Source, name: str) -> str:
    """How messages name a file of a source: `fer2013.zip: train/angry/Training_1.jpg`."""
    return str(source.path) if isinstance(source, _File) else f"{source.path}: {name}"


def _is_visible(name: str) -> bool:
    """Leaves out what desktops and macOS' zip add: `.DS_Store`, `__MACOSX/...`."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/") if part != ".")


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except EOFError:  # a compressed tar cut off in its first block
        return True


def _only_archive(folder: Path) -> Path | None:
    entries = [entry for entry in folder.iterdir() if _is_visible(entry.name)]
    archives = [entry for entry in entries if entry.is_file() and (zipfile.is_zipfile(entry) or _is_tar(entry))]
    has_folders = any(entry.is_dir() for entry in entries)
    return archives[0] if len(archives) == 1 and not has_folders else None


def _refuse_cut_archive(path: Path) -> None:
    """A zip has its directory at its end, so one that is cut off is no zip to zipfile."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        raise DataError(f"{path}: this zip is cut off or damaged (its directory is missing). Download it again.")
    if start[:2] == b"\x1f\x8b":
        raise DataError(f"{path}: this gzip file holds no readable tar; it is damaged or not FER-2013's tar.gz.")


@contextmanager
def _naming_damage(what: object) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DataError(f"{what}: cannot be read, it is damaged or cut off ({error}). Download it again.") from error
