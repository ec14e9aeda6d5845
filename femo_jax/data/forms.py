"""The forms in which people have FER-2013, told apart by their content and read as the same stream of faces."""

import os
from collections.abc import Iterator
from enum import Enum

from femo_jax.data import csv_form, folder_form
from femo_jax.data.face import Face
from femo_jax.data.sources import Source, open_source
from femo_jax.errors import DataError

__all__ = ["Face", "Form", "count_faces", "detect_form", "iterate_faces"]

_EXPECTED = (
    "Expected a csv with the columns emotion, pixels, Usage, or pictures in train/<class>/*.jpg and"
    " test/<class>/*.jpg; either may lie in a folder, a zip or a tar.gz."
)


class Form(Enum):
    """How the pictures are laid out, be it in a folder, a zip, a tar or a file by itself."""

    CSV = "csv"
    CLASS_FOLDERS = "class folders"


def detect_form(path: str | os.PathLike[str]) -> Form:
    """Tells by content in which form FER-2013 lies at `path`.

    Raises:
      DataError: nothing is there, or nothing that femo can read as FER-2013.
    """
    with open_source(path) as source:
        return _detect(source)[0]


def count_faces(path: str | os.PathLike[str]) -> int:
    """The number of faces that `iterate_faces` will give, without decoding them.

    Raises:
      DataError: as `detect_form`.
    """
    with open_source(path) as source:
        form, file = _detect(source)
        return csv_form.count_rows(source, file) if form is Form.CSV else len(folder_form.list_pictures(source))


def iterate_faces(path: str | os.PathLike[str]) -> Iterator[Face]:
    """Reads FER-2013 in any form, in an order that is the same for every run.

    Raises:
      DataError: as `detect_form`; or a picture or row is damaged, or labelled as FER-2013's are not.
    """
    with open_source(path) as source:
        form, file = _detect(source)
        if form is Form.CSV:
            yield from csv_form.read_rows(source, file)
        else:
            yield from folder_form.read_pictures(source, folder_form.list_pictures(source))


def _detect(source: Source) -> tuple[Form, str]:
    """The form, and the csv's name within the source (empty for class folders)."""
    has_pictures = any(map(folder_form.is_picture, source.names))
    columns = {
        name: set(csv_form.COLUMNS) & set(csv_form.columns(source, name))
        for name in source.names
        if not folder_form.is_picture(name)
    }
    # The archive of the challenge also has tables without Usage: they count only where nothing better is.
    csvs = [name for name, known in columns.items() if len(known) == len(csv_form.COLUMNS)]
    if not csvs and not has_pictures:
        csvs = [name for name, known in columns.items() if len(known) == len(csv_form.COLUMNS) - 1]
    if len(csvs) + has_pictures > 1:
        found = ", ".join(csvs + ["class folders of jpgs"] * has_pictures)
        raise DataError(f"{source.path}: holds FER-2013 more than once: {found}. Give the path of one of them.")
    if has_pictures:
        return Form.CLASS_FOLDERS, ""
    if csvs:
        return Form.CSV, csvs[0]
    if not source.names:
        raise DataError(f"{source.path}: is empty. {_EXPECTED}")
    raise DataError(f"{source.path}: is not FER-2013 in a form that femo knows. {_EXPECTED}")
