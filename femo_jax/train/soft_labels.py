"""Soft labels: probabilities that trained networks give to the pictures of a split, as a file to learn from."""

import json
import os
from collections.abc import Sequence

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from femo_jax.data.splits import Split, digest_of
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError
from femo_jax.files import replacing


def save_soft_labels(
    path: str | os.PathLike[str], split: Split, probabilities: np.ndarray, models: Sequence[str]
) -> None:
    """Writes `probabilities [n, 7] float32` of the pictures of a split, and the names of the models they come from."""
    metadata = {
        "pictures": digest_of(split.images),
        "classes": json.dumps(EMOTIONS),
        "models": json.dumps(list(models)),
    }
    with replacing(path) as beside:
        beside.write_bytes(save({"probabilities": probabilities.astype(np.float32)}, metadata))


def load_soft_labels(path: str | os.PathLike[str], split: Split) -> np.ndarray:
    """Reads the probabilities `[n, 7] float32` of the pictures of a split.

    Raises:
      DataError: the file is missing or damaged, or holds those of other pictures, or in another order.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata, probabilities = file.metadata() or {}, file.get_tensor("probabilities")
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path}: the soft labels cannot be read ({error}). Make them with `femo soft-labels`"
        ) from error
    if metadata.get("pictures") != digest_of(split.images) or len(probabilities) != len(split.labels):
        raise DataError(f"{path}: these soft labels belong to other pictures. Make them anew with `femo soft-labels`")
    if metadata.get("classes") != json.dumps(EMOTIONS):
        raise DataError(f"{path}: its classes are {metadata.get('classes')}, expected {json.dumps(EMOTIONS)}")
    return probabilities
