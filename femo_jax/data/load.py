"""From data in any form to splits in memory, by way of the prepared data set, which is checked when it is read."""

import os
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from femo_jax.data.ferplus import VOTES
from femo_jax.data.identity import Record, check_files, read_record
from femo_jax.data.labelled_images import Mapped
from femo_jax.data.prepare import OFFICIAL_NAMES, prepare, prepared_folders, prepared_labelled
from femo_jax.data.reading import existing
from femo_jax.data.splits import SPLITS, Split
from femo_jax.emotions import EMOTIONS, check_class_names
from femo_jax.errors import ConfigError, DataError, FemoError
from femo_jax.files import library_path
from femo_jax.preprocess import IMAGE_SIZE

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
    builder, record = _open(data)
    if split not in builder.info.splits:
        raise DataError(
            f"{data}: has no split {split!r} ({OFFICIAL_NAMES[split]}), only {', '.join(builder.info.splits)}."
            f" {_REMEDIES[split]}"
        )
    loaded = _read(builder, split, record)
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
    builder, _ = _open(data)
    return tuple(split for split in SPLITS if split in builder.info.splits)


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
    return _names_of(_open(data)[0])


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


def _open(data: str | os.PathLike[str]) -> tuple[Any, Record | None]:
    """A TFDS builder that reads the data, which are prepared first where that was not done, and their record."""
    from femo_jax.data.tfds import tfds

    path = existing(data)
    folders = prepared_folders(path) or prepared_labelled(path) or prepared_folders(prepare(path))
    records = [read_record(folder) for folder in folders]
    if len({record.source["digest"] for record in records if record}) > 1:
        sources = " and ".join(str(record.source["path"]) for record in records if record)
        raise DataError(f"{path}: was prepared from {sources}. Prepare it again from one of them with --overwrite.")
    folder, record = folders[0], records[0]
    check_files(folder, record or Record({"path": "", "digest": ""}), ("dataset_info.json", "features.json"))
    try:
        return tfds.builder_from_directory(str(folder)), record
    except Exception as error:  # TFDS and protobuf let through whatever their parsers raise
        if isinstance(error, FemoError):
            raise
        raise DataError(
            f"{folder}: dataset_info.json or features.json is missing or damaged ({type(error).__name__}). Prepare the"
            " data again with --overwrite."
        ) from error


def _names_of(builder: Any) -> tuple[str, ...]:
    """The class names that the features of a prepared data set state."""
    try:
        return check_class_names(builder.info.features["label"].names)
    except (ConfigError, AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{builder.data_dir}: features.json has no usable class names ({error}). Prepare the data again with"
            " --overwrite."
        ) from error


def _read(builder: Any, split: str, record: Record | None) -> Split:
    """Reads the records of a split in the order in which TFDS reads them, but all at once: ten times as fast."""
    from femo_jax.data.tf import tf, tf_message

    info, names = builder.info.splits[split], _names_of(builder)
    fields = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
    }
    if "votes" in builder.info.features:
        fields["votes"] = tf.io.FixedLenFeature([len(VOTES)], tf.int64)
    folder = Path(builder.data_dir)
    paths = [Path(path) for path in info.filepaths]
    if record:
        check_files(folder, record, [path.name for path in paths])
    try:
        with library_path(folder) as readable:
            records = tf.data.TFRecordDataset([os.path.join(readable, path.name) for path in paths])  # noqa: PTH118
            # One more than there should be, so that one too many is noticed.
            columns = tf.io.parse_example(records.batch(info.num_examples + 1).get_single_element(), fields)
    except tf.errors.OpError as error:
        raise DataError(_damaged(folder, split, tf_message(error))) from error
    labels = columns["label"].numpy()
    count = len(labels)
    if count != info.num_examples:
        raise DataError(_damaged(folder, split, f"{count} images instead of {info.num_examples}"))
    images = [_decode_png(encoded) for encoded in columns["image"].numpy()]
    valid = all(image is not None and image.shape == (IMAGE_SIZE, IMAGE_SIZE) for image in images)
    if not valid or labels.min() < 0 or labels.max() >= len(names):
        raise DataError(_damaged(folder, split, "an image or a label is not valid"))
    return Split(
        images=np.stack(images)[..., None],  # pyright: ignore[reportCallIssue, reportArgumentType]
        labels=labels.astype(np.int32),
        names=np.array([name.decode(errors="replace") for name in columns["name"].numpy()]),
        votes=columns["votes"].numpy().astype(np.uint8) if "votes" in columns else None,
        class_names=names,
    )


def _damaged(folder: Path, split: str, problem: str) -> str:
    return f"{folder}: split {split!r} is damaged ({problem}). Prepare the data again with --overwrite."


def _decode_png(encoded: bytes) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
