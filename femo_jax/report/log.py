"""Frame logs of `femo live --log`, read back as columns: one row for each face of each frame."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, DataError, FemoError
from femo_jax.files import printable

if TYPE_CHECKING:
    import pandas

ROW_COLUMNS = ("index", "time", "width", "height", "id", "x", "y", "w", "h", "label", "confidence", "uncertain", "age")
"""Columns of a table of faces, before those of the classes' probabilities."""

_EXPECTED = "expected the log of `femo live --log FILE`, one JSON object for each frame"
_LONGEST_STEP = 1.0  # seconds that a frame stands for at most: a source may have been gone for longer


@dataclass(frozen=True, eq=False)
class FaceLog:
    """The faces of a log, in the order of their frames.

    Attributes:
      class_names: of the model; the columns of `probabilities`.
      frame_times: `[frames] float64`, seconds on the source's clock; of all frames, also those without a face.
      sizes: width and height of frames in pixels, each size once, in order of appearance.
      index: `[faces] int64`, number of each face's frame in its source.
      time: `[faces] float64`, seconds.
      size: `[faces, 2] int64`, width and height of each face's frame.
      person: `[faces] int64`, the number of the track; where the faces were not tracked, minus the position of the
        face in its frame: -1 is the first one.
      box: `[faces, 4] float64`, x, y, width and height in pixels.
      label: `[faces] int64`, index in `class_names`.
      confidence: `[faces] float64`, 0..1.
      uncertain: `[faces] bool`.
      age: `[faces] float64`, seconds since the track was first seen; NaN where the faces were not tracked.
      probabilities: `[faces, classes] float64`.
      notes: what was left out in reading, as sentences.
    """

    class_names: tuple[str, ...]
    frame_times: np.ndarray
    sizes: tuple[tuple[int, int], ...]
    index: np.ndarray
    time: np.ndarray
    size: np.ndarray
    person: np.ndarray
    box: np.ndarray
    label: np.ndarray
    confidence: np.ndarray
    uncertain: np.ndarray
    age: np.ndarray
    probabilities: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time)

    @property
    def frame_step(self) -> float:
        """Seconds that a frame stands for: the median time from one to the next; 0 for a single frame."""
        steps = np.diff(self.frame_times)
        steps = steps[steps > 0]
        return min(float(np.median(steps)), _LONGEST_STEP) if len(steps) else 0.0

    @property
    def persons(self) -> list[int]:
        """Numbers of the tracks, then of the faces that were not tracked: 1, 2, ..., -1, -2, ..."""
        return sorted({int(person) for person in self.person}, key=lambda person: (person < 0, abs(person)))

    def by_person(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each person and the indices of their rows, in the order of `persons`."""
        order = np.argsort(self.person, kind="stable")
        numbers, starts = np.unique(self.person[order], return_index=True)
        rows = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=False))
        yield from ((person, rows[person]) for person in self.persons)

    def durations(self) -> np.ndarray:
        """Seconds that each row stands for, `[faces] float64`: until the next sighting of the same face.

        After the last sighting, and before a gap of more than a second, a frame stands for `frame_step`.
        """
        step, seconds = self.frame_step, np.empty(len(self))
        for _, rows in self.by_person():
            passed = np.append(np.diff(self.time[rows]), math.inf)
            seconds[rows] = np.where((passed >= 0) & (passed <= max(_LONGEST_STEP, step)), passed, step)
        return seconds

    def within(self, roi: tuple[float, float, float, float]) -> "FaceLog":
        """The faces whose middle lies in a region of interest.

        Args:
          roi: x, y, width and height in pixels of the frames.

        Raises:
          ConfigError: the region has no area or lies outside of all frames.
        """
        x, y, w, h = roi
        if not (all(map(math.isfinite, roi)) and w > 0 and h > 0):
            raise ConfigError(f"region of interest {_numbers(roi)}: expected x,y,width,height with an area, in pixels.")
        if self.sizes and not any(x < width and y < height and x + w > 0 and y + h > 0 for width, height in self.sizes):
            sizes = ", ".join(f"{width}x{height}" for width, height in self.sizes)
            raise ConfigError(f"region of interest {_numbers(roi)}: outside of the frames, which have {sizes} pixels.")
        middle = self.box[:, :2] + self.box[:, 2:] / 2
        return self.rows(np.all((middle >= (x, y)) & (middle < (x + w, y + h)), axis=1))

    def rows(self, chosen: np.ndarray) -> "FaceLog":
        """The log with some of its faces: a mask `[faces] bool` or indices."""
        names = ("index", "time", "size", "person", "box", "label", "confidence", "uncertain", "age", "probabilities")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def columns(self) -> dict[str, list[Any]]:
        """The rows by the names of `ROW_COLUMNS` and of the classes; None where there is no id or age."""
        tracked = self.person > 0
        fixed: list[list[Any]] = [
            self.index.tolist(),
            self.time.tolist(),
            *self.size.T.tolist(),
            [person if person > 0 else None for person in self.person.tolist()],
            *self.box.T.tolist(),
            [self.class_names[label] for label in self.label],
            self.confidence.tolist(),
            self.uncertain.tolist(),
            [age if known else None for age, known in zip(self.age.tolist(), tracked, strict=True)],
        ]
        columns = dict(zip(ROW_COLUMNS, fixed, strict=True))
        names = map(_probability_column, self.class_names)
        return columns | dict(zip(names, self.probabilities.T.tolist(), strict=True))

    def to_frame(self) -> "pandas.DataFrame":
        """The rows as a table, see `read_log`."""
        table = _pandas().DataFrame(self.columns())
        table["id"] = table["id"].astype("Int64")
        table = table.astype(dict.fromkeys(("time", "x", "y", "w", "h", "confidence", "age"), "float64"))
        table["uncertain"] = table["uncertain"].astype(bool)
        table.attrs["class_names"] = list(self.class_names)
        return table

    @classmethod
    def from_frame(cls, table: "pandas.DataFrame") -> "FaceLog":
        """A table of `read_log`, or a part of it; frames without a face are not in it.

        Raises:
          DataError: a column is missing, or a label is none of the classes.
        """
        missing = [name for name in ROW_COLUMNS if name not in table.columns]
        if missing:
            raise DataError(f"the table lacks {', '.join(missing)}; expected the columns that femo_jax.read_log gives.")
        columns = [str(name) for name in table.columns if name not in ROW_COLUMNS]
        names = tuple(table.attrs.get("class_names") or [name.removeprefix("p_") for name in columns])
        codes = {name: code for code, name in enumerate(names)}
        unknown = sorted(set(table["label"]) - set(codes))
        if unknown or not set(map(_probability_column, names)) <= set(columns):
            raise DataError(
                f"the table has the labels {', '.join(sorted(set(map(str, table['label']))))} and probabilities of"
                f" {', '.join(names) or 'no class'}; expected a column of probabilities for each label."
            )
        ids = table["id"].fillna(0).to_numpy(np.int64)
        index = table["index"].to_numpy(np.int64)
        size = table[["width", "height"]].to_numpy(np.int64)
        return cls(
            class_names=names,
            frame_times=np.unique(table["time"].to_numpy(np.float64)),
            sizes=tuple(dict.fromkeys(map(tuple, size.tolist()))),
            index=index,
            time=table["time"].to_numpy(np.float64),
            size=size,
            person=np.where(ids > 0, ids, -_positions(index)),
            box=table[["x", "y", "w", "h"]].to_numpy(np.float64),
            label=np.array([codes[label] for label in table["label"]], np.int64),
            confidence=table["confidence"].to_numpy(np.float64),
            uncertain=table["uncertain"].to_numpy(bool),
            age=table["age"].to_numpy(np.float64),
            probabilities=table[[*map(_probability_column, names)]].to_numpy(np.float64),
        )


def read_log(path: str | os.PathLike[str], source: str | None = None) -> "pandas.DataFrame":
    """The faces of a frame log as a table; needs pandas.

    Args:
      path: of the log that `femo live --log` wrote, also of one that still grows.
      source: name of the one that is read of a log with several sources.

    Returns:
      A table with one row for each face of each frame: `index` of the frame, `time` in seconds, `width` and `height`
      of the frame, `id` of the track (missing where faces were not tracked), the box `x`, `y`, `w`, `h` in pixels,
      `label`, `confidence`, `uncertain`, `age` in seconds, and a column `p_CLASS` for the probability of each class.
      `attrs["class_names"]` lists the classes. A frame without a face has no row.

    Raises:
      DataError: the file is empty, or a line of it is no frame.
      ConfigError: as `load_log`.
      FemoError: the file cannot be read, or pandas is not installed.
    """
    _pandas()
    return load_log(path, source).to_frame()


def load_log(path: str | os.PathLike[str], source: str | None = None) -> FaceLog:
    """Reads a frame log.

    A last line that was cut off, as of a log that still grows, is left out; `notes` says so. Logs of older releases,
    without `class_names`, are of the seven classes in femo's order.

    Args:
      path: of the log.
      source: name of the one that is read of a log with several sources, whose frames have sizes and numbers of their
        own.

    Raises:
      DataError: the file is empty, or a line of it is no frame.
      ConfigError: the log has several sources and none was named, or it has no source of this name.
      FemoError: the file cannot be read.
    """
    reader, notes = _Reader(Path(path), source), []
    for number, line, ended in _lines(Path(path)):
        try:
            record = json.loads(line, parse_constant=_refuse_constant)
        except ValueError as error:
            if ended or reader.lines == 0:
                raise _no_frame(Path(path), number, line) from error
            notes.append(f"Line {number} is cut off and was left out.")
            continue
        reader.add(number, record, line)
    if reader.lines == 0:
        raise DataError(f"{printable(path)}: empty; {_EXPECTED}. Run femo live with --log first.")
    return reader.result(tuple(notes))


class _Reader:
    """Collects the faces of records, of one source."""

    def __init__(self, path: Path, source: str | None) -> None:
        self.lines = 0
        self._path = path
        self._source = source
        self._sources: dict[str, None] = {}
        self._names: tuple[str, ...] | None = None
        self._times: list[float] = []
        self._sizes: dict[tuple[int, int], None] = {}
        self._rows: list[tuple] = []
        self._values: list[Sequence[float]] = []

    def add(self, number: int, record: Any, line: str) -> None:
        self.lines += 1
        try:
            if "source" in record:
                self._sources[str(record["source"])] = None
                if self._source not in (None, record["source"]):
                    return
            time, faces = float(record["time"]), record["faces"]
            index = int(record.get("index", len(self._times)))
            size = int(record.get("width", 0)), int(record.get("height", 0))
            rows = [self._row(position, face) for position, face in enumerate(faces, start=1)]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _no_frame(self._path, number, line) from error
        for row, values, names in rows:
            listed = record.get("class_names") or names or EMOTIONS
            names = tuple(map(str, listed))
            if len(values) != len(names) or row[-1] not in names or self._names not in (None, names):
                raise DataError(
                    f"{printable(self._path)}, line {number}: a face of the classes {', '.join(names)};"
                    f" expected {', '.join(self._names or (row[-1],))}. A log has the classes of one model."
                )
            self._names = names
            self._rows.append((index, time, size, *row))
            self._values.append(values)
        self._times.append(time)
        self._sizes[size] = None

    def _row(self, position: int, face: Mapping[str, Any]) -> tuple[tuple, list[float], list[str] | None]:
        given = face["probabilities"]
        names = list(given) if isinstance(given, Mapping) else None
        values = [float(value) for value in (given.values() if isinstance(given, Mapping) else given)]
        box = [float(value) for value in face["box"]]
        confidence, age = float(face["confidence"]), float(face.get("age", math.nan))
        if len(box) != 4 or not all(map(math.isfinite, (*box, *values, confidence))):
            raise ValueError("no box or probabilities")
        person = int(face["id"]) if face.get("id") is not None else -position
        uncertain = bool(face.get("uncertain", False))
        return (person, box, confidence, uncertain, age, str(face["label"])), values, names

    def result(self, notes: tuple[str, ...]) -> FaceLog:
        listed = ", ".join(map(printable, self._sources))
        if self._source is None and len(self._sources) > 1:
            raise ConfigError(
                f"{printable(self._path)}: has the frames of {len(self._sources)} sources: {listed}. Name one of them:"
                " --log-source of the command line, source in Python."
            )
        if self._source is not None and self._source not in self._sources:
            there = f"its sources are {listed}" if listed else "it names no source"
            raise ConfigError(f"{printable(self._path)}: has no source {self._source!r}; {there}.")
        names = self._names or EMOTIONS
        columns = [*zip(*self._rows, strict=True)] or [()] * 9
        index, time, size, person, box, confidence, uncertain, age, label = columns
        return FaceLog(
            class_names=names,
            frame_times=np.array(self._times, np.float64),
            sizes=tuple(self._sizes),
            index=np.array(index, np.int64),
            time=np.array(time, np.float64),
            size=np.array(size, np.int64).reshape(-1, 2),
            person=np.array(person, np.int64),
            box=np.array(box, np.float64).reshape(-1, 4),
            label=np.array([names.index(each) for each in label], np.int64),
            confidence=np.array(confidence, np.float64),
            uncertain=np.array(uncertain, bool),
            age=np.array(age, np.float64),
            probabilities=np.array(self._values, np.float64).reshape(-1, len(names)),
            notes=notes,
        )


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Number and text of each line that is not blank, and whether it ends as a line does."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line, line.endswith("\n")
    except OSError as error:
        raise FemoError(f"{printable(path)}: cannot be read ({error.strerror}). Check the path.") from error


def _no_frame(path: Path, number: int, line: str) -> DataError:
    shown = line.strip()
    shown = shown[:60] + "..." if len(shown) > 60 else shown
    return DataError(f"{printable(path)}, line {number}: not a frame ({shown}); {_EXPECTED}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _positions(index: np.ndarray) -> np.ndarray:
    """Position of each row among those of the same frame, from 1."""
    counts: dict[int, int] = {}
    positions = []
    for frame in index.tolist():
        counts[frame] = counts.get(frame, 0) + 1
        positions.append(counts[frame])
    return np.array(positions, np.int64)


def _probability_column(name: str) -> str:
    return f"p_{name}"


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise FemoError("pandas is not installed, which tables of logs need: pip install 'femo-jax[tables]'") from error
    return pandas
