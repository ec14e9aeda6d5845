"""`metrics.jsonl`: one JSON object an epoch and split, appended as a run goes."""

import json
import os
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
            f"{path}: could not be written ({error.strerror}). Make room and start the same command again: it goes on"
            " from the last checkpoint"
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
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise CheckpointError(f"{path}, line {number}: not JSON ({error.msg}). Remove the line") from error
    return records


def keep_records_until(path: Path, step: int) -> list[dict[str, Any]]:
    """Drops what was logged after `step`, for a run that goes on from there; returns what is left."""
    records = [record for record in read_records(path) if record["step"] <= step] if path.is_file() else []
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))
    return records
