"""From data in any form to splits in memory, by way of the prepared data set, which is checked when it is read."""

import os
import warnings

import numpy as np

from femo_jax.data.identity import Record, check_files, read_record
from femo_jax.data.labelled_images import Mapped
from femo_jax.data.prepare import OFFICIAL_NAMES, prepare, prepared_folders, prepared_labelled
from femo_jax.data.reading import existing
from femo_jax.data.splits import SPLITS, Split
from femo_jax.data.tfds_folder import DESCRIPTIONS, TfdsFolder, open_folder
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError

DRAWN = "drawn"
"""The word that stands for drawn faces wherever a path of data is expected."""

_REMEDIES = {
    "train": "Training needs it: add images in a folder train, or rows with Usage Training.",
    "validation": "Training chooses its best epoch on it: move a part of the training images into a folder validation"
    " beside train, or set Usage of a part of the rows to PublicTest.",
    "test": "Give --split validation, or data that have it.",
}


def load_split(data: str | os.PathLike[str], split: str) -> Split:
    """Loads a split of FER-2013 into memory, decoded, in an order that is the same for every run.

    Warns (UserWarning) when a class has no images in the training split.

    Args:
      data: FER-2013 in any form (prepared in femo's cache on first use), a data_dir that `prepare` or
        `prepare_labelled` has filled, labelled images that were prepared in femo's cache, or the word `drawn` for drawn
        faces. Of a data_dir with and without the votes of FER+, with.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).

    Raises:
      DataError: As `prepare`; or there is no such split, or the prepared data are damaged.
    """
    if split not in SPLITS:
        raise DataError(f"split {split!r}: expected one of {', '.join(SPLITS)}.")
    if str(data) == DRAWN:
        from femo_jax.data.drawn import drawn_split

        return drawn_split(split)
    folder, record = _open(data)
    if split not in folder.splits:
        official = "" if prepared_labelled(existing(data)) else f" ({OFFICIAL_NAMES[split]})"
        raise DataError(
            f"{data}: has no split {split!r}{official}, only {', '.join(folder.splits)}. {_REMEDIES[split]}"
        )
    if record:
        check_files(folder.path, record, folder.files(split))
    loaded = folder.read(split)
    missing = [name for index, name in enumerate(loaded.class_names) if not (loaded.labels == index).any()]
    if split == "train" and missing:
        warnings.warn(
            f"{data}: the training split has no images of {', '.join(missing)}: a network cannot learn"
            f" {'them' if len(missing) > 1 else 'it'}.",
            stacklevel=2,
        )
    return loaded


def available_splits(data: str | os.PathLike[str]) -> tuple[str, ...]:
    """The splits that `load_split` can give of these data: of the official three, PrivateTest is often missing.

    Raises:
      DataError: As `prepare`; or the prepared data are damaged.
    """
    if str(data) == DRAWN:
        return SPLITS
    folder, _ = _open(data)
    return tuple(split for split in SPLITS if split in folder.splits)


def split_counts(data: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Counts the images of each class, `[c] int64`, in each split that the data have.

    Raises:
      DataError: As `load_split`.
    """
    splits = {split: load_split(data, split) for split in available_splits(data)}
    return {name: np.bincount(split.labels, minlength=len(split.class_names)) for name, split in splits.items()}


def class_names(data: str | os.PathLike[str]) -> tuple[str, ...]:
    """The class names of data, in the order of their labels.

    Raises:
      DataError: As `prepare`; or the prepared data are damaged.
    """
    if str(data) == DRAWN:
        return EMOTIONS
    return _open(data)[0].class_names


def mapped_classes(data: str | os.PathLike[str]) -> list[Mapped]:
    """What became of each class of labelled images, and of FER+'s votes where they are the labels.

    Empty for FER-2013's own labels.

    Raises:
      DataError: As `prepare`; or the prepared data are damaged.
    """
    _, record = _open(data)
    return [Mapped(*each) for each in record.classes] if record else []


def left_out_files(data: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of the files beside the images that were left out when the data were prepared, for they are no images.

    Raises:
      DataError: As `prepare`; or the prepared data are damaged.
    """
    _, record = _open(data)
    return record.left_out if record else ()


def _open(data: str | os.PathLike[str]) -> tuple[TfdsFolder, Record | None]:
    """The folder that holds the data, which are prepared first where that was not done, and its record."""
    path = existing(data)
    folders = prepared_folders(path) or prepared_labelled(path) or prepared_folders(prepare(path))
    records = [read_record(folder) for folder in folders]
    if len({record.source["digest"] for record in records if record}) > 1:
        sources = " and ".join(str(record.source["path"]) for record in records if record)
        raise DataError(f"{path}: was prepared from {sources}. Prepare it again from one of them with --overwrite.")
    folder, record = folders[0], records[0]
    if record:
        check_files(folder, record, DESCRIPTIONS)
    return open_folder(folder), record
