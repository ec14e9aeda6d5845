"""Labelled images: one face, and a split of a data set decoded and held in memory."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import DataError

SPLITS = ("train", "validation", "test")
"""femo's names of FER-2013's official splits: Training, PublicTest, PrivateTest."""


@dataclass(frozen=True, eq=False)
class Face:
    """One labelled image of FER-2013, whatever form it was read from.

    Attributes:
      image: `[48, 48] uint8`, grey.
      emotion: Its label.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).
      name: Identifies the image within its data set: `train/angry/Training_3908.jpg` in the folder form,
        `row_00021806` in the csv forms.
      row: Row in the csv, counted from 0 below the header; None in the folder form.
    """

    image: np.ndarray
    emotion: Emotion
    split: str
    name: str
    row: int | None = None


class Split(NamedTuple):
    """The images of a split in a fixed order.

    Attributes:
      images: `[n, 48, 48, 1] uint8` grey faces.
      labels: `[n] int32` indices into `class_names`.
      names: `[n] str` where each image comes from.
      votes: `[n, 10] uint8` FER+ votes, or None where the data set has none.
      class_names: of the data set, in the order of the labels.
    """

    images: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    votes: np.ndarray | None = None
    class_names: tuple[str, ...] = EMOTIONS


def common_class_names(train: Split, validation: Split) -> tuple[str, ...]:
    """The class names of two splits that are to be used together.

    Raises:
      DataError: they differ.
    """
    if train.class_names != validation.class_names:
        raise DataError(
            f"the training split has the classes {', '.join(train.class_names)} and the validation split"
            f" {', '.join(validation.class_names)}: expected the same in the same order"
        )
    return train.class_names


def occurs_in(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which images are, pixel by pixel, among others: `[n, h, w, c]`, `[m, h, w, c]` uint8 -> `[n] bool`."""
    known = {other.tobytes() for other in others}
    return np.array([image.tobytes() in known for image in images], bool)


def digest_of(*arrays: np.ndarray) -> str:
    """SHA-256, in hexadecimal, of the bytes of arrays one after the other, each in C order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
