"""Soft labels: probabilities of a teacher ensemble for the images of a split, as a file for distillation."""

import json
import os
from collections.abc import Sequence

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from femo_jax.data.splits import Split, digest_of
from femo_jax.emotions import EMOTIONS, NUM_EMOTIONS
from femo_jax.errors import DataError
from femo_jax.files import replacing


def save_soft_labels(
    path: str | os.PathLike[str], split: Split, probabilities: np.ndarray, models: Sequence[str]
) -> None:
    """Writes soft labels with a digest.

    Args:
      path: of the file, by custom with the suffix `.safetensors`.
      split: whose images they belong to.
      probabilities: `[n, 7]`, rows that sum to 1, in the order of `femo_jax.EMOTIONS`.
      models: names of the teachers.

    Raises:
      DataError: they are not probabilities of these images.
    """
    probabilities = np.asarray(probabilities, np.float32)
    _check(path, probabilities, len(split.labels))
    metadata = {
        "sha256": digest_of(probabilities),
        "pictures": digest_of(split.images),
        "classes": json.dumps(EMOTIONS),
        "models": json.dumps(list(models)),
    }
    with replacing(path) as beside:
        beside.write_bytes(save({"probabilities": probabilities}, metadata))


def load_soft_labels(path: str | os.PathLike[str], split: Split) -> np.ndarray:
    """Reads the probabilities `[n, 7] float32` of the images of a split.

    Files of older versions have no digest; their values are checked all the same.

    Raises:
      DataError: the file is missing or damaged, belongs to other images, has another order of classes, or holds what
        are not probabilities.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata, probabilities = file.metadata() or {}, file.get_tensor("probabilities")
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path}: the soft labels cannot be read ({error}). Write them with `femo soft-labels`"
        ) from error
    if metadata.get("pictures") != digest_of(split.images):
        raise DataError(f"{path}: these soft labels belong to other images. Write them again with `femo soft-labels`")
    if metadata.get("classes") != json.dumps(EMOTIONS):
        raise DataError(f"{path}: its classes are {metadata.get('classes')}, expected {json.dumps(EMOTIONS)}")
    _check(path, probabilities, len(split.labels))
    if metadata.get("sha256", digest_of(probabilities)) != digest_of(probabilities):
        raise DataError(f"{path}: damaged: the digest does not match. Copy it again, or repeat `femo soft-labels`")
    return probabilities


def _check(path: str | os.PathLike[str], probabilities: np.ndarray, count: int) -> None:
    """Raises DataError for what are not probabilities of `count` images."""
    shape = (count, NUM_EMOTIONS)
    if probabilities.shape != shape or probabilities.dtype != np.float32:
        found = f"{probabilities.dtype} of shape {probabilities.shape}"
        raise DataError(f"{path}: the soft labels are {found}, expected float32 of shape {shape}")
    valid = np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        valid &= np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) < 1e-3
    if not valid.all():
        row = int(np.argmin(valid))
        raise DataError(
            f"{path}: {np.sum(~valid)} of {count} soft labels are not probabilities, first in row {row}:"
            f" {probabilities[row].tolist()}. Expected finite values from 0 that sum to 1. Repeat `femo soft-labels`"
        )
