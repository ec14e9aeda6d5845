"""What a prepared data set was made from and what its files hold, so that neither is ever taken for something else."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from femo_jax.data.reading import existing, list_folder, reporting_damage
from femo_jax.errors import DataError
from femo_jax.files import write_json

RECORD_FILE = "source.json"
"""Name of the record in a prepared folder."""

_CHUNK = 1 << 20
_SETTLED_NS = 2_000_000_000
# Digests of this process, by what `stat` gives of a path's files: one command asks for them once for each split.
_known_digests: dict[str, str] = {}


class Fingerprint(TypedDict):
    """A file or folder: its absolute path, and the SHA-256 of its content."""

    path: str
    digest: str


@dataclass(frozen=True)
class Record:
    """What a prepared folder holds.

    Attributes:
      source: What it was made from.
      ferplus: The votes that it was made with; None without votes.
      files: SHA-256 of each file by its name; empty for folders that were prepared before femo 0.2.
      images: Number of images in each split; empty for the same.
      left_out: Files of the source that are no images.
      options: With which the data were prepared, as JSON values; they are part of the origin.
      classes: What became of each class of labelled images or each outcome of FER+'s votes, as
        `[label, name, images]`.
    """

    source: Fingerprint
    ferplus: Fingerprint | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[tuple[str, str, int], ...] = ()

    def has_origin(self, other: "Record") -> bool:
        """Whether both were made from the same content, wherever it lay, and with the same options."""
        mine, others = ((_digest(each.source), _digest(each.ferplus), each.options) for each in (self, other))
        return mine == others


def fingerprint(path: str | os.PathLike[str], names: Sequence[str] = ()) -> Fingerprint:
    """Takes the fingerprint of a file or folder from the contents of its files and their names within the folder.

    Hidden files and time stamps do not count.

    Args:
      path: of the file or folder.
      names: of files beside the file that belong to it, relative to its folder.

    Raises:
      DataError: Nothing is there, or it cannot be read.
    """
    path = existing(path).resolve()
    inside = list_folder(path)[0] if path.is_dir() else [""]
    files = {name: path / name if name else path for name in inside} | {name: path.parent / name for name in names}
    state, settled = _state_of(path, files.values())
    digest = _known_digests.get(state)
    if digest is None:
        whole = hashlib.sha256()
        for name, file in files.items():
            whole.update(os.fsencode(name) + b"\0" + bytes.fromhex(digest_of_file(file)))
        digest = whole.hexdigest()
        if settled:
            _known_digests[state] = digest
    return {"path": str(path), "digest": digest}


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Raises:
      DataError: It cannot be read.
    """
    digest = hashlib.sha256()
    with reporting_damage(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_record(folder: Path, record: Record) -> None:
    """Writes the record of a prepared folder into it."""
    write_json(folder / RECORD_FILE, asdict(record))


def read_record(folder: Path) -> Record | None:
    """Reads the record of a prepared folder; None where there is none, as in folders that TFDS' own command made.

    Raises:
      DataError: It is damaged.
    """
    path = folder / RECORD_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            source=_fingerprint_of(content["source"]),
            ferplus=_fingerprint_of(content["ferplus"]) if content["ferplus"] else None,
            files={str(name): str(digest) for name, digest in content.get("files", {}).items()},
            images={str(split): int(count) for split, count in content.get("images", {}).items()},
            left_out=tuple(map(str, content.get("left_out", ()))),
            options=dict(content.get("options", {})),
            classes=tuple((str(label), str(name), int(count)) for label, name, count in content.get("classes", ())),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read or is damaged ({type(error).__name__}). Prepare the data again with --overwrite."
        ) from error


def check_files(folder: Path, record: Record, names: Iterable[str]) -> None:
    """Compares files of a prepared folder with the digests in its record.

    Raises:
      DataError: One is missing, or has changed since it was written.
    """
    for name in names:
        expected = record.files.get(name)
        if expected is None:
            continue
        if not (folder / name).exists():
            raise DataError(f"{folder / name}: is missing. Prepare the data again with --overwrite.")
        if digest_of_file(folder / name) != expected:
            raise DataError(
                f"{folder / name}: is damaged: its content has changed since it was prepared. Prepare the data again"
                " with --overwrite."
            )


def _digest(origin: Fingerprint | None) -> str | None:
    return origin and origin["digest"]


def _fingerprint_of(content: Any) -> Fingerprint:
    return {"path": str(content["path"]), "digest": str(content["digest"])}


def _state_of(path: Path, files: Iterable[Path]) -> tuple[str, bool]:
    """Which files are there, by their status; and whether none was written so lately that a clock may not show it."""
    state = hashlib.sha256(os.fsencode(path))
    newest = 0
    with reporting_damage(path):
        for file in files:
            status = file.stat()
            newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
            numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            state.update(os.fsencode(file) + repr(numbers).encode())
    return state.hexdigest(), time.time_ns() - newest > _SETTLED_NS
