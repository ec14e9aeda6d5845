"""`metrics.jsonl`: one JSON object an epoch and split, appended as a run goes."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from femo_jax.errors import CheckpointError
from femo_jax.files import write_text

METRICS_FILE = "metrics.jsonl"


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Adds one line and makes sure that it is on the disk; NaN is refused with ValueError.

    Raises:
      CheckpointError: the disk is full, or the file cannot be written.
    """
    line = json.dumps(record, allow_nan=False) + "\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckpointError(
            f"{path}: could not be written ({error.strerror}). Make room and start the same command again: it"
            " resumes from the last checkpoint"
        ) from error


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a log, also of a run in progress: a last line without its end is left out.

    Raises:
      CheckpointError: there is no such file, or a whole line is not JSON.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such metric log. Expected the {METRICS_FILE} that `femo train` writes")
    *whole, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    records = []
    for number, line in enumerate(whole, start=1):
        try:
            record = json.loads(line, parse_constant=_refuse_constant)
            _check_record(record)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise CheckpointError(
                f"{path}, line {number}: not a record of `femo train` ({type(error).__name__}: {error}). Remove the"
                " line"
            ) from error
        records.append(record)
    return records


def _check_record(record: Any) -> None:
    """Raises TypeError or KeyError for what is not a record of an epoch and split."""
    if not isinstance(record, dict):
        raise TypeError(f"expected an object, found {type(record).__name__}")
    for name, kind in (("step", int), ("epoch", int), ("split", str)):
        if not isinstance(record[name], kind) or isinstance(record[name], bool):
            raise TypeError(f"{name} is {record[name]!r}")
    for name in ("loss", "accuracy", "learning_rate", "seconds"):
        if not isinstance(record.get(name, 0.0), int | float):
            raise TypeError(f"{name} is {record[name]!r}")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that femo writes")


def keep_records_until(path: Path, step: int, last: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Drops what was logged after `step`, for a run that resumes there, and returns what is left.

    Args:
      path: of the log; it need not exist.
      step: of the checkpoint.
      last: records that were saved with the checkpoint, added if the log lacks them.
    """
    records = [record for record in read_records(path) if record["step"] <= step] if path.is_file() else []
    logged = {(record["epoch"], record["split"]) for record in records}
    records += [record for record in last if (record["epoch"], record["split"]) not in logged]
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))
    return records
