"""FER-2013 as the challenge published it: `fer2013.csv` and `icml_face_data.csv`, one image a row."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, TextIO

import numpy as np

from femo_jax.data.archive import DatasetArchive, member_path, open_member
from femo_jax.data.splits import Face
from femo_jax.emotions import Emotion
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

COLUMNS = ("emotion", "pixels", "Usage")
"""The columns that both csv forms have, in different orders and with blanks around the names."""

USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""femo's split of each value in column `Usage`."""

_KNOWN_COLUMNS = {column.lower(): column for column in COLUMNS}
_DELIMITERS = (",", ";", "\t")
_PIXELS = IMAGE_SIZE * IMAGE_SIZE
_HEADER_BYTES = 4096
_LONGEST_LINE = 1 << 20  # characters; one of FER-2013 has at most 9,232


class Table(NamedTuple):
    """How a csv is written.

    Attributes:
      name: Its name within the archive.
      encoding: Of its text.
      delimiter: Between two cells.
      header: The column names in its first line, without blanks, those of FER-2013 spelled as in `COLUMNS`; nonsense
        for a file that is no csv.
    """

    name: str
    encoding: str
    delimiter: str
    header: tuple[str, ...]

    @property
    def known_columns(self) -> set[str]:
        """Which of `COLUMNS` the table has."""
        return {column for column in self.header if column in COLUMNS}


def read_header(archive: DatasetArchive, name: str) -> Table:
    """Reads the first line of a file as the header of a csv, whatever its encoding and delimiter.

    Raises:
      DataError: The file cannot be read.
    """
    with open_member(archive, name) as file:
        start = file.read(_HEADER_BYTES)
    encoding = _encoding(start)
    line = re.split(r"[\r\n]", start.decode(encoding, errors="replace"), maxsplit=1)[0].replace("\0", "")
    tables = [Table(name, encoding, delimiter, _columns(line, delimiter)) for delimiter in _DELIMITERS]
    return max(tables, key=lambda table: (len(table.known_columns), len(table.header)))


def count_rows(archive: DatasetArchive, name: str) -> int:
    """The number of lines below the header, for a progress bar."""
    newlines, last = 0, b"\n"
    with open_member(archive, name) as file:
        while chunk := file.read(1 << 20):
            newlines += chunk.count(b"\n")
            last = chunk.rstrip(b"\0")[-1:] or last
    return max(0, newlines - (last == b"\n"))


def read_rows(archive: DatasetArchive, table: Table) -> Iterator[Face]:
    """Reads the images of a csv in its order.

    Raises:
      DataError: A column is missing, or a row is not an image of FER-2013; the message names the line.
    """
    where = member_path(archive, table.name)
    missing = [column for column in COLUMNS if column not in table.header]
    repeated = [column for column in COLUMNS if table.header.count(column) > 1]
    if missing or repeated:
        raise DataError(
            f"{where}: column {', '.join(missing or repeated)} is {'missing' if missing else 'there twice'}; found"
            f" {describe_header(table)}. A csv of FER-2013 has the columns {', '.join(COLUMNS)}, in any order."
        )
    order = [table.header.index(column) for column in COLUMNS]
    with open_member(archive, table.name) as file:
        lines = csv.reader(bounded_lines(open_text(file, table.encoding)), delimiter=table.delimiter)
        try:
            next(lines)
            rows = (cells for cells in lines if any(map(str.strip, cells)))
            for row, cells in enumerate(rows):
                yield _face(cells, order, len(table.header), row)
        except (ValueError, csv.Error) as error:
            raise DataError(f"{where}, line {max(1, lines.line_num)}: {error}") from error


def describe_header(table: Table) -> str:
    """The column names for a message, or a word on why there are none."""
    text = ", ".join(table.header)
    return f"{text[:100]!r}" if text.isprintable() and text.strip(", ") else "no column names in its first line"


def _encoding(start: bytes) -> str:
    """By byte order mark or, where there is none, by the zeros that every other byte of ASCII text is in UTF-16."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    header = start[:40]
    if header and not any(header[1::2]):
        return "utf-16-le"
    if header and not any(header[::2]):
        return "utf-16-be"
    return "utf-8-sig"


def _columns(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return ()
    names = [cell.strip().strip("\"'").strip() for cell in cells]
    return tuple(_KNOWN_COLUMNS.get(name.lower(), name) for name in names)


def open_text(file: BinaryIO, encoding: str) -> TextIO:
    """The text of a csv; bytes that the encoding does not have become replacement characters."""
    return io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")


def bounded_lines(text: TextIO) -> Iterator[str]:
    """Lines of a csv; ValueError for one that is longer than any row of a data set, before it is held in memory."""
    while line := text.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"more than {_LONGEST_LINE:,} characters in a line; an image has {_PIXELS} pixels.")
        yield line


def _face(cells: Sequence[str], order: Sequence[int], columns: int, row: int) -> Face:
    """Raises ValueError, saying what is wrong with the row."""
    if len(cells) < columns or any(cells[columns:]):
        raise ValueError(f"{len(cells)} cells, expected {columns} as in the header; the file may be cut off here.")
    code, pixels, usage = (cells[index].strip() for index in order)
    split = _SPLIT_OF_USAGE.get(usage.lower())
    if split is None:
        raise ValueError(f"Usage {usage[:40]!r}; expected one of {', '.join(USAGES)}.")
    if not re.fullmatch("[0-9]{1,9}", code):
        raise ValueError(f"emotion {code[:40]!r}; expected a code from 0 to 6.")
    return Face(_image(pixels), Emotion.from_csv_code(int(code)), split, f"row_{row:08d}", row)


_SPLIT_OF_USAGE = {usage.lower(): split for usage, split in USAGES.items()}


def _image(pixels: str) -> np.ndarray:
    codes = np.frombuffer(pixels.encode("ascii", errors="replace"), np.uint8)
    foreign = (codes - ord("0") > 9) & (codes != ord(" "))
    if foreign.any():
        found = pixels[int(foreign.argmax()) :][:12]
        raise ValueError(f"pixels contain {found!r}; expected numbers from 0 to 255 with blanks between them.")
    # Six times as fast as int() of each number, which matters for 35,887 images. int64, since smaller types wrap
    # around where a number is too large, while this one saturates.
    values = np.fromstring(pixels, dtype=np.int64, sep=" ")
    if values.size != _PIXELS:
        raise ValueError(f"{values.size} pixels, expected {_PIXELS} ({IMAGE_SIZE} x {IMAGE_SIZE}).")
    if values.min() < 0 or values.max() > 255:
        raise ValueError(f"pixels from {values.min()} to {values.max()}, expected 0 to 255.")
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
