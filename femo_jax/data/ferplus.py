"""FER+: ten people's votes on each image of FER-2013 (Barsoum et al. 2016, arXiv 1608.01041)."""

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femo_jax.data.csv_form import USAGES, bounded_lines
from femo_jax.data.splits import Face
from femo_jax.emotions import EMOTIONS, canonical_name
from femo_jax.errors import DataError

VOTES = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "not-a-face",
)
"""What was voted on, in the order of the ten votes; FER+'s own files abbreviate the last as NF."""

CLASSES = tuple(sorted(map(canonical_name, VOTES[:8])))
"""The class names of labels by majority, in alphabetical order: the seven of FER-2013 and contempt."""

NO_MAJORITY, NO_VOTES = "no majority", "no votes"
"""Why an image has no label by majority, beside `unknown` and `not-a-face`."""

PACKAGED = "packaged"
"""The word that stands for the votes that are part of femo: those on Training and PublicTest."""

_COLUMNS = (*VOTES[:-1], "NF")
_MAX_VOTES = 10
_PACKAGED_FILE = Path(__file__).parent / "fer2013" / "ferplus.npz"


@dataclass(frozen=True, eq=False)
class FerPlus:
    """The votes of a FER+ file, found by the name of an image or by its row in `fer2013.csv`.

    Attributes:
      path: the file.
      by_name: `[10] uint8` votes by the folder form's names; empty for FER+'s own file, which has no such names.
      by_row: `[10] uint8` votes by the row of `fer2013.csv`, counted from 0.
      splits: femo's split of each row in `by_row`.
    """

    path: Path
    by_name: Mapping[str, np.ndarray]
    by_row: Mapping[int, np.ndarray]
    splits: Mapping[int, str]

    def of(self, face: Face) -> np.ndarray:
        """The votes on a face, `[10] uint8`; all zero where the file has none for it."""
        votes = self.by_name.get(face.name) if face.row is None else self.by_row.get(face.row)
        return np.zeros(len(VOTES), np.uint8) if votes is None else votes

    def check_covers(self, faces: Iterable[Face]) -> None:
        """Checks that the file belongs to these faces.

        Raises:
          DataError: it has votes for none of them, or its splits show that its rows are in another order.
        """
        known = 0
        for face in faces:
            if face.row is None:
                known += face.name in self.by_name
            elif face.row in self.by_row:
                known += 1
                if self.splits[face.row] != face.split:
                    raise DataError(
                        f"{self.path}: row {face.row} belongs to {self.splits[face.row]}, but that row of the csv to"
                        f" {face.split}: one of the two is not in the order of FER-2013's fer2013.csv."
                    )
        if not known:
            raise DataError(
                f"{self.path}: has votes for none of the images. FER+'s own fer2013new.csv fits the csv forms alone;"
                " for folders of jpgs give --ferplus without a file, or a file with the columns name and csv_row."
            )


def majority(votes: np.ndarray) -> str:
    """What most annotators saw in an image: one of `VOTES`, `NO_MAJORITY` or `NO_VOTES`.

    The rule is that of FER+'s own program (`ferplus.py` of microsoft/FERPlus, mode `majority`): single votes do not
    count, and the most frequent answer needs more than half of the votes that do. Images without an emotion or majority
    are no part of its training and test data.

    Args:
      votes: `[10] uint8`, all zero where an image has none.
    """
    if not votes.any():
        return NO_VOTES
    counted = _without_single(votes)
    return VOTES[counted.argmax()] if 2 * counted.max() > counted.sum() else NO_MAJORITY


def vote_shares(votes: np.ndarray) -> np.ndarray:
    """The shares of the classes among the votes that count: `[n, 10] uint8` -> `[n, 8] float32`, as `CLASSES`.

    Rows sum to 1 where an image has a label by majority.
    """
    counted = _without_single(votes)[:, : len(CLASSES)]
    order = [list(map(canonical_name, VOTES)).index(name) for name in CLASSES]
    return (counted[:, order] / np.maximum(counted.sum(axis=1, keepdims=True), 1)).astype(np.float32)


def _without_single(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0).astype(np.int64)


def ferplus_file(path: str | os.PathLike[str]) -> Path:
    """The file that holds the votes: that of the path, or femo's own for the word `packaged`."""
    return _PACKAGED_FILE if str(path) == PACKAGED else Path(path).expanduser()


def load_ferplus(path: str | os.PathLike[str]) -> FerPlus:
    """Reads the votes, from `fer2013new.csv` of FER+ or from a table with the columns `name` and `csv_row` besides.

    FER+'s own file is in the order of `fer2013.csv`, row by row. The word `packaged` stands for the votes that are part
    of femo (`femo_jax/data/fer2013/FERPLUS-LICENSE.md`): FER+'s on 32,137 images of Training and PublicTest, by name
    and by row; 161 images of Kaggle's zip, and all of PrivateTest, have none.

    Raises:
      DataError: the file is missing, lacks a column, or holds votes that are not whole numbers from 0 to 10.
    """
    if ferplus_file(path) == _PACKAGED_FILE:
        return _load_packaged()
    path = ferplus_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(path, csv.DictReader(bounded_lines(file)))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: the votes of FER+ cannot be read ({error}).") from error


def _load_packaged() -> FerPlus:
    """Reads the votes that are part of femo, from columns `[n]` and votes `[n, 10] uint8`."""
    usages = tuple(USAGES)
    with np.load(_PACKAGED_FILE, allow_pickle=False) as table:
        columns = [table[name].tolist() for name in ("usage", "label", "number", "csv_row")]
        votes = table["votes"]
    by_name: dict[str, np.ndarray] = {}
    by_row: dict[int, np.ndarray] = {}
    splits: dict[int, str] = {}
    for usage, label, number, row, of_image in zip(*columns, votes, strict=True):
        folder = "train" if usage == 0 else "test"
        by_name[f"{folder}/{EMOTIONS[label]}/{usages[usage]}_{number}.jpg"] = of_image
        if row >= 0:  # -1: the image was not found in fer2013.csv
            by_row[row], splits[row] = of_image, USAGES[usages[usage]]
    return FerPlus(_PACKAGED_FILE, by_name, by_row, splits)


def _read(path: Path, rows: csv.DictReader) -> FerPlus:
    header = {column.lower(): column for column in rows.fieldnames or ()}
    missing = [column for column in ("usage", *map(str.lower, _COLUMNS)) if column not in header]
    if missing:
        raise DataError(
            f"{path}: column {', '.join(missing)} is missing;"
            f" expected Usage, {', '.join(_COLUMNS)} as in fer2013new.csv of FER+."
        )
    keyed = "name" in header and "csv_row" in header
    by_name: dict[str, np.ndarray] = {}
    by_row: dict[int, np.ndarray] = {}
    splits: dict[int, str] = {}
    for index, row in enumerate(rows):
        try:
            votes = _votes(row[header[column.lower()]] for column in _COLUMNS)
            csv_row = int(row[header["csv_row"]]) if keyed else index
            split = USAGES[row[header["usage"]]]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}, line {rows.line_num}: {error}; is the file cut off here?") from error
        if keyed:
            by_name[row[header["name"]]] = votes
        # A row of -1: the image was not found in fer2013.csv.
        if csv_row >= 0:
            by_row[csv_row] = votes
            splits[csv_row] = split
    return FerPlus(path, by_name, by_row, splits)


def _votes(cells: Iterable[str]) -> np.ndarray:
    votes = np.array([int(cell) for cell in cells])
    if votes.min() < 0 or votes.max() > _MAX_VOTES:
        raise ValueError(f"votes {votes.tolist()}, expected whole numbers from 0 to {_MAX_VOTES}")
    return votes.astype(np.uint8)
