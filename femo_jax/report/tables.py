"""Tables of a log as csv or parquet: its faces, its intervals, and its averages over steps of time."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from femo_jax.errors import ConfigError, FemoError
from femo_jax.files import printable, replacing, write_text
from femo_jax.report.intervals import aggregate, intervals
from femo_jax.report.log import FaceLog

SUFFIXES = (".csv", ".parquet")


def table_paths(path: str | os.PathLike[str], every: float | None = None) -> list[Path]:
    """The files of `write_tables`: `faces.csv`, `faces-intervals.csv`, and `faces-steps.csv` where `every` is given.

    Raises:
      ConfigError: the suffix is none of `SUFFIXES`.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{printable(path)}: femo writes tables as {' or '.join(SUFFIXES)}, by the suffix.")
    kinds = ("intervals",) if every is None else ("intervals", "steps")
    return [path, *(path.with_name(f"{path.stem}-{kind}{path.suffix}") for kind in kinds)]


def write_tables(log: FaceLog, path: str | os.PathLike[str], every: float | None = None) -> list[Path]:
    """Writes the tables of a log.

    Args:
      log: with any number of faces.
      path: of the table of faces, a row for each face of each frame; see `table_paths` for the others.
      every: length of the steps in seconds; None writes no table of them.

    Returns:
      The files written.

    Raises:
      ConfigError: the suffix is none of `SUFFIXES`, or the steps are too short.
      FemoError: a file cannot be written, or pandas and pyarrow, which .parquet needs, are not installed.
    """
    paths = table_paths(path, every)
    tables = [log.columns(), interval_columns(log)]
    if every is not None:
        tables.append(step_columns(log, every))
    for place, columns in zip(paths, tables, strict=True):
        if place.suffix.lower() == ".csv":
            write_text(place, csv_text(columns))
        else:
            _write_parquet(place, columns)
    return paths


def interval_columns(log: FaceLog) -> dict[str, list[Any]]:
    """The intervals of a log by column: `id` (None where faces were not tracked), `start`, `end`, `label`, ..."""
    found = intervals(log)
    columns: dict[str, list[Any]] = {"id": [each.person if each.person > 0 else None for each in found]}
    for name in ("start", "end", "seconds", "label", "uncertain", "confidence", "frames"):
        columns[name] = [getattr(each, name) for each in found]
    return columns


def step_columns(log: FaceLog, every: float) -> dict[str, list[Any]]:
    """The steps of `aggregate` by column; `p_CLASS` is the mean probability of a class."""
    steps = aggregate(log, every)
    columns: dict[str, list[Any]] = {"id": [each.person if each.person > 0 else None for each in steps]}
    for name in ("start", "end", "seconds", "label", "uncertain"):
        columns[name] = [getattr(each, name) for each in steps]
    for number, name in enumerate(log.class_names):
        columns[f"p_{name}"] = [float(each.probabilities[number]) for each in steps]
    return columns


def csv_text(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns of equal length as csv with a header; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise FemoError(
            "pyarrow is not installed, which .parquet needs: pip install 'femo-jax[tables]', or write .csv"
        ) from error
    kinds = {"id": pyarrow.int64(), "label": pyarrow.string(), "uncertain": None}
    arrays = {
        name: pyarrow.array(values, kinds.get(name) if name in kinds else None if values else pyarrow.float64())
        for name, values in columns.items()
    }
    with replacing(path) as beside:
        parquet.write_table(pyarrow.table(arrays), beside)
