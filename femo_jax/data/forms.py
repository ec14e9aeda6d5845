"""The forms in which people have FER-2013, recognised by their content and read as the same stream of faces."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from femo_jax.data import csv_form, folder_form
from femo_jax.data.archive import DatasetArchive, archive_kind, member_path, open_archive
from femo_jax.data.reading import Limits, existing, is_visible
from femo_jax.data.splits import Face
from femo_jax.errors import DataError

__all__ = ["Dataset", "Form", "iterate_faces", "open_dataset"]

_EXPECTED = (
    "Expected a csv with the columns emotion, pixels, Usage, or images in train/<class>/ and test/<class>/; either may"
    " lie in a folder, a zip or a tar.gz. For images of your own, prepare them first: `femo data prepare FOLDER`."
)


class Form(Enum):
    """How the images are laid out, be it in a folder, a zip, a tar or a file by itself."""

    CSV = "csv"
    CLASS_FOLDERS = "class folders"


class Dataset:
    """FER-2013 in one of its forms, opened for reading.

    Attributes:
      form: How the images are laid out.
      left_out: Names of files in and beside the class folders that are no images; complete once all faces are read.
    """

    def __init__(self, archive: DatasetArchive) -> None:
        """Recognises the form.

        Raises:
          DataError: It is none that femo can read, or the archive holds more than one.
        """
        self._archive = archive
        self._table = _choose_table(archive)
        self._images: list[folder_form.ImageFile] = []
        self.left_out: list[str] = []
        if self._table is None:
            self._images, self.left_out = folder_form.list_images(archive)
        self.form = Form.CLASS_FOLDERS if self._table is None else Form.CSV

    def __len__(self) -> int:
        """The number of images, before those are found that are none."""
        return csv_form.count_rows(self._archive, self._table.name) if self._table else len(self._images)

    def faces(self) -> Iterator[Face]:
        """Reads the images, in an order that is the same for every run.

        Raises:
          DataError: An image or row is damaged, or not labelled as FER-2013's are.
        """
        if self._table:
            yield from csv_form.read_rows(self._archive, self._table)
            return
        for image in self._images:
            face = folder_form.read_image(self._archive, image)
            if face is None:
                self.left_out.append(image.file)
            else:
                yield face


@contextmanager
def open_dataset(path: str | os.PathLike[str], limits: Limits | None = None) -> Iterator[Dataset]:
    """Opens FER-2013 in any form.

    A folder with an archive in it, and neither csv nor class folders, stands for that archive, as TFDS' manual folder
    does.

    Raises:
      DataError: Nothing is there, or nothing that femo can read as FER-2013.
    """
    path, limits = existing(path), limits or Limits()
    with open_archive(path, limits) as archive:
        inner = _only_archive(archive, limits) if path.is_dir() else None
        if inner is None:
            yield Dataset(archive)
            return
    with open_archive(inner, limits) as archive:
        yield Dataset(archive)


def is_fer2013(path: str | os.PathLike[str], limits: Limits | None = None) -> bool:
    """Whether data look like FER-2013: a csv with a column of pixels, or 48x48 images in folders of its classes.

    Raises:
      DataError: As `open_archive`.
    """
    path, limits = existing(path), limits or Limits()
    with open_archive(path, limits) as archive:
        inner = _only_archive(archive, limits) if path.is_dir() else None
    with open_archive(inner or path, limits) as archive:
        image = next(filter(folder_form.is_in_class_folder, archive.names), None)
        if image is not None:
            return folder_form.has_fer2013_size(archive, image)
        tables = [name for name in archive.names if not folder_form.has_image_suffix(name)]
        return any("pixels" in csv_form.read_header(archive, name).header for name in tables)


def iterate_faces(path: str | os.PathLike[str], limits: Limits | None = None) -> Iterator[Face]:
    """Reads FER-2013 in any form.

    Raises:
      DataError: As `open_dataset` and `Dataset.faces`.
    """
    with open_dataset(path, limits) as dataset:
        yield from dataset.faces()


def _only_archive(folder: DatasetArchive, limits: Limits) -> Path | None:
    """The archive for which a folder stands; None for a folder that holds FER-2013 itself, or nothing."""
    if any(map(folder_form.is_in_class_folder, folder.names)):
        return None
    top = [name for name in folder.names if "/" not in name and is_visible(name)]
    archives = [name for name in top if archive_kind(folder.path / name, limits)]
    others = [name for name in folder.names if name not in archives and not folder_form.has_image_suffix(name)]
    if not archives or any(len(csv_form.read_header(folder, name).known_columns) == 3 for name in others):
        return None
    if len(archives) > 1:
        raise DataError(f"{folder.path}: holds several archives: {', '.join(archives)}. Give the path of one of them.")
    return folder.path / archives[0]


def _choose_table(archive: DatasetArchive) -> csv_form.Table | None:
    """The csv to read; None for class folders."""
    has_class_folders = any(map(folder_form.is_in_class_folder, archive.names))
    tables = [
        csv_form.read_header(archive, name)
        for name in archive.names
        if not (folder_form.has_image_suffix(name) or folder_form.is_in_class_folder(name))
    ]
    # The archive of the challenge also has tables without Usage: they count only where nothing better is.
    complete = [table for table in tables if len(table.known_columns) == len(csv_form.COLUMNS)]
    if len(complete) + has_class_folders > 1:
        found = ", ".join([table.name for table in complete] + ["class folders"] * has_class_folders)
        raise DataError(f"{archive.path}: holds FER-2013 more than once: {found}. Give the path of one of them.")
    if complete or has_class_folders:
        return complete[0] if complete else None
    partial = [table for table in tables if len(table.known_columns) == len(csv_form.COLUMNS) - 1]
    if partial:
        return partial[0]
    if any(map(folder_form.has_image_suffix, archive.names)):
        return None
    raise DataError(_unknown(archive, tables))


def _unknown(archive: DatasetArchive, tables: list[csv_form.Table]) -> str:
    """What was found instead of FER-2013."""
    if not archive.names:
        return f"{archive.path}: is empty. {_EXPECTED}"
    found = (
        f"found {csv_form.describe_header(tables[0])} in {member_path(archive, tables[0].name)}"
        if len(tables) == 1
        else f"found {', '.join(archive.names[:3])}{' ...' if len(archive.names) > 3 else ''}"
    )
    return f"{archive.path}: is not FER-2013 in a form that femo knows; {found}. {_EXPECTED}"
