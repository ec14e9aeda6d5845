"""File system access: atomic replacement of files, checks of output paths, and paths for C++ libraries."""

import fcntl
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from femo_jax.errors import ConfigError, FemoError

_TEMPORARY = re.compile(r"\.femo-[0-9a-f]{8}(\.[A-Za-z0-9]{1,15})?")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,15}")
_STANDARD_OUTPUT = Path("/dev/stdout")
_PIPE_TIMEOUT = 10.0  # seconds that the reader of a named pipe may take to open it
_cleared: set[Path] = set()


def cache_folder() -> Path:
    """The folder of files that femo can rebuild: `$FEMO_CACHE`, or `~/.cache/femo`."""
    return Path(os.environ.get("FEMO_CACHE") or "~/.cache/femo").expanduser()


def can_be_written(folder: Path) -> bool:
    """Whether files can be written to a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` when the block ends without an error.

    The contents are flushed to the disk before the rename. An existing file keeps its permissions, and a new one gets
    those of the process's umask. If `path` is a symbolic link, the file that it points to is replaced. Pipes, devices
    and open files such as `/dev/stdout` receive the contents at the end of the block.

    The temporary file keeps the suffix of `path`, so that writers that choose a format by suffix work. Its name has at
    most 30 bytes, in ASCII. It is locked while the block runs: the first call of a later process in the same folder
    removes what a killed process left.

    Args:
      path: the file to write; its folder is created if need be.

    Yields:
      The path to write to.

    Raises:
      FemoError: `path` is a folder, its folder cannot be created, it cannot be written, or nothing reads the named
        pipe; `path` keeps its old contents.
      BrokenPipeError: it is `/dev/stdout`, whose reader has ended.
    """
    target = Path(path)
    place = Path(os.path.realpath(target))
    try:
        if target.is_dir():
            raise FemoError(f"{printable(target)}: is a folder. Name a file.")
        special = target.exists() and (_is_open_already(target) or not target.is_file())
        if special:
            mode, folder = 0o600, Path(tempfile.gettempdir())
        else:
            # The kernel applies the umask, and the folder's default access list, to a new file.
            mode, folder = 0o600 if place.exists() else 0o666, place.parent
            folder.mkdir(parents=True, exist_ok=True)
        if folder not in _cleared:
            _cleared.add(folder)
            clear_leftovers(folder)
        beside, lock = _create_temporary(folder, target.suffix, mode)
    except OSError as error:
        raise FemoError(
            f"{printable(target)}: cannot be written ({error.strerror}). Choose a file in a folder you may write to."
        ) from error
    try:
        yield beside
        if special:
            with beside.open("rb") as contents, _opened_special(target) as taker:
                shutil.copyfileobj(contents, taker)
        else:
            _flush(beside)
            if place.exists():
                beside.chmod(stat.S_IMODE(place.stat().st_mode))
            beside.replace(place)
            _flush(folder)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            if target == _STANDARD_OUTPUT:
                raise
            raise FemoError(
                f"{printable(target)}: could not be written: the program that read it has ended."
            ) from error
        raise FemoError(
            f"{printable(target)}: could not be written ({error.strerror or error}); its old contents, if any, are"
            " kept. Make room or choose another folder."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
        os.close(lock)


def clear_leftovers(folder: Path) -> None:
    """Removes the temporary files of `replacing` that killed processes of this user left in a folder.

    Files that a running process holds, and files on a file system without locks, stay.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if not _TEMPORARY.fullmatch(path.name):
            continue
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # removed meanwhile, or another user's
            continue
        try:
            status = os.fstat(file)
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except OSError:  # held, without locks, or not to be removed: it stays
            continue
        finally:
            os.close(file)


def _create_temporary(folder: Path, suffix: str, mode: int) -> tuple[Path, int]:
    """A new locked file of a short name, and the descriptor that holds its lock."""
    suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
    while True:
        path = folder / f".femo-{secrets.token_hex(4)}{suffix}"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        # Another process may have taken it for a leftover before it was locked.
        if _lock(file) and os.fstat(file).st_nlink > 0:
            return path, file
        os.close(file)


def _lock(file: int) -> bool:
    """Whether no other process has the lock; file systems without locks have no leftovers removed either."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _flush(path: Path) -> None:
    """Writes a file, or the entries of a folder, to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError:
        if not path.is_dir():  # some file systems do not flush folders
            raise
    finally:
        os.close(file)


@contextmanager
def _opened_special(path: Path) -> Iterator[Any]:
    """Opens a pipe or device for writing; a named pipe that nothing reads is given up after `_PIPE_TIMEOUT`."""
    deadline = time.monotonic() + _PIPE_TIMEOUT
    while True:
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
            break
        except OSError as error:
            if not stat.S_ISFIFO(path.stat().st_mode):
                raise
            if time.monotonic() >= deadline:
                raise OSError(error.errno, f"a pipe that no program reads, after {_PIPE_TIMEOUT:g} s") from error
        time.sleep(0.02)
    os.set_blocking(file, True)
    with os.fdopen(file, "wb") as taker:
        yield taker


def check_writable(path: str | os.PathLike[str]) -> None:
    """Checks, without creating anything, that `path` can be written, for a caller about to work long before.

    Raises:
      FemoError: it is a folder, its name is too long, or its folder is not one or cannot be written to.
    """
    place = Path(os.path.realpath(path))
    try:
        if place.is_dir():
            raise FemoError(f"{printable(path)}: is a folder. Name a file.")
        there = next(folder for folder in place.parents if folder.exists())
    except OSError as error:
        raise FemoError(f"{printable(path)}: cannot be written ({error.strerror}). Choose another file.") from error
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise FemoError(
            f"{printable(path)}: cannot be written, since {printable(there)} is no folder that you may write to."
            " Choose another."
        )


def check_outputs_are_not_inputs(
    outputs: Mapping[str, str | os.PathLike[str] | None], inputs: Iterable[str | os.PathLike[str]]
) -> None:
    """Checks that no output file is one of the inputs, or the same file as another output.

    Files are compared by what they are, not by name: a hard link or a symbolic link to an input is the input. `-`,
    pipes and devices are not files in this sense, but `/dev/stdout` is the file that it is redirected to.

    Args:
      outputs: files and folders by the option that names each; None for an option that was not given.
      inputs: everything that the command reads: images, clips, data, the model file and the config. Of a folder, list
        the files that are read from it.

    Raises:
      ConfigError: two of them are the same file.
    """
    wanted = {option: path for option, path in outputs.items() if path is not None and os.fspath(path) != "-"}
    if not wanted:
        return
    taken = {_identity(path): path for path in inputs}
    options: dict[tuple, str] = {}
    for option, path in wanted.items():
        identity = _identity(path)
        if identity is None:
            continue
        if identity in taken:
            as_what = "" if os.fspath(taken[identity]) == os.fspath(path) else f" as {printable(taken[identity])}"
            raise ConfigError(f"{printable(path)}: is also an input{as_what}. Give {option} another file.")
        if identity in options:
            raise ConfigError(
                f"{printable(path)}: is named by {options[identity]} and {option}. Give each a file of its own."
            )
        options[identity] = option


def _identity(path: str | os.PathLike[str]) -> tuple | None:
    """What two names of one file have in common; None for pipes and devices, which may be named twice."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return (os.path.realpath(path),)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino
    return None


@contextmanager
def library_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields `path` in a form that C++ libraries (OpenCV, FFmpeg) open without fail.

    Their Python bindings crash, or raise UnicodeEncodeError, at a name that is not valid UTF-8. Such a path is reached
    by a symbolic link of an ASCII name in a private temporary folder, which is removed when the block ends; a file
    that the library opened stays open.

    Args:
      path: of a file or folder, which need not exist yet.

    Raises:
      FemoError: the link cannot be made.
    """
    absolute = os.path.abspath(path)  # noqa: PTH100 - a relative path with a colon is an address to FFmpeg
    if _is_utf8(absolute):
        yield absolute
        return
    suffix = Path(absolute).suffix
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="femo-"))
            link = Path(folder) / f"file{suffix if _SUFFIX.fullmatch(suffix) else ''}"
            link.symlink_to(absolute)
        except OSError as error:
            raise FemoError(
                f"{printable(absolute)}: its name is not valid UTF-8, and a link to it cannot be made"
                f" ({error.strerror}). Rename it."
            ) from error
        if not _is_utf8(link):
            raise FemoError(
                f"{printable(absolute)}: its name is not valid UTF-8, and neither is that of the folder for temporary"
                " files. Rename it, or set TMPDIR to another folder."
            )
        yield str(link)


def _is_utf8(path: str | os.PathLike[str]) -> bool:
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_open_already(path: Path) -> bool:
    """Whether a path stands for an open file, as `/dev/stdout` does, which may lead to a file that others write to."""
    return re.fullmatch(r"/dev/(stdout|stderr|fd/\d+)|/proc/[^/]+/fd/\d+", str(path)) is not None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes UTF-8 text to `path` as a whole or not at all; file names in it that are not UTF-8 keep their bytes."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="surrogateescape")


def printable(path: str | os.PathLike[str]) -> str:
    r"""The name of a file for a terminal: bytes that are not UTF-8 become `\ufffd`, control characters `\x1b`."""
    text = re.sub(r"[\ud800-\udfff]", "\ufffd", os.fsdecode(path))  # surrogates are such bytes, or no characters
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda match: repr(match[0])[1:-1], text)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON to `path` as a whole or not at all; NaN is refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
