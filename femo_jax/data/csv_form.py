"""FER-2013 as the challenge published it: `fer2013.csv` and `icml_face_data.csv`, one picture a row."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from femo_jax.data.face import Face
from femo_jax.data.sources import Source, open_file, where
from femo_jax.emotions import Emotion
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

COLUMNS = ("emotion", "pixels", "Usage")
"""The columns that both csv forms have, in different orders and with blanks around the names."""

USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""femo's split of each value in column `Usage`."""

_PIXELS = IMAGE_SIZE * IMAGE_SIZE


def columns(source: Source, name: str) -> list[str]:
    """The column names in the first line of a file, without blanks; nonsense for a file that is no csv."""
    with open_file(source, name) as file:
        line = file.readline(4096)
    return [column.strip() for column in line.decode("utf-8-sig", errors="replace").split(",")]


def count_rows(source: Source, name: str) -> int:
    """The number of rows below the header, for a progress bar."""
    with open_file(source, name) as file:
        chunks = iter(lambda: file.read(1 << 20), b"")
        newlines, last = 0, b"\n"
        for chunk in chunks:
            newlines += chunk.count(b"\n")
            last = chunk[-1:]
    return newlines - (last == b"\n")


def read_rows(source: Source, name: str) -> Iterator[Face]:
    """Reads the pictures of a csv in its order.

    Raises:
      DataError: a column is missing, or a row is not a picture of FER-2013; the message names the line.
    """
    with open_file(source, name) as file:
        lines = csv.reader(_text(file))
        try:
            header = [column.strip() for column in next(lines, [])]
            missing = [column for column in COLUMNS if column not in header]
            if missing:
                raise DataError(
                    f"{where(source, name)}: column {', '.join(missing)} is missing; found {', '.join(header)[:200]!r}."
                    f" A csv of FER-2013 has the columns {', '.join(COLUMNS)}, in any order."
                )
            order = [header.index(column) for column in COLUMNS]
            for row, cells in enumerate(filter(None, lines)):
                try:
                    yield _face(cells, order, row)
                except ValueError as error:
                    raise DataError(f"{where(source, name)}, line {lines.line_num}: {error}") from error
        except csv.Error as error:
            raise DataError(f"{where(source, name)}, line {lines.line_num}: not readable as csv ({error}).") from error


def _text(file: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")


def _face(cells: Sequence[str], order: Sequence[int], row: int) -> Face:
    """Raises ValueError, saying what is wrong with the row."""
    if len(cells) <= max(order):
        raise ValueError(f"{len(cells)} cells, expected {len(COLUMNS)}; the file may be cut off here.")
    code, pixels, usage = (cells[index].strip() for index in order)
    if usage not in USAGES:
        raise ValueError(f"Usage {usage!r}; expected one of {', '.join(USAGES)}.")
    if not code.isdecimal():
        raise ValueError(f"emotion {code!r}; expected a code from 0 to 6.")
    return Face(_image(pixels), Emotion.from_csv_code(int(code)), USAGES[usage], f"row_{row:08d}", row)


def _image(pixels: str) -> np.ndarray:
    # Six times as fast as int() of each number, which for 35,887 pictures is felt.
    values = np.fromstring(pixels, dtype=np.int32, sep=" ")
    if values.size != _PIXELS:
        raise ValueError(f"{values.size} pixels, expected {_PIXELS} ({IMAGE_SIZE} x {IMAGE_SIZE}).")
    if values.min() < 0 or values.max() > 255:
        raise ValueError(f"pixels from {values.min()} to {values.max()}, expected 0 to 255.")
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
