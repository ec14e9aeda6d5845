"""The distribution over the classes that the network learns for each training image.

It is made of the label, smoothed, of FER+ votes, and of soft labels of a teacher ensemble, which a file holds.
"""

import json
import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from femo_jax.data.ferplus import CLASSES, vote_shares
from femo_jax.data.splits import Split, digest_of
from femo_jax.errors import ConfigError, DataError
from femo_jax.files import replacing
from femo_jax.train.config import TrainConfig


def training_targets(split: Split, config: TrainConfig) -> np.ndarray:
    """The distribution over the classes that the network learns for each image of a split.

    FER-2013's labels are noisy: the majority of ten FER+ annotators agrees with the label in two images of three. A
    label is one sample of a distribution, which the probability of the label given the votes (`labels_given_votes`)
    and the mean prediction of a teacher ensemble estimate with less noise. Where the labels are the majority of FER+'s
    votes, the shares of the votes are the distribution (`femo_jax.data.ferplus.vote_shares`).

    Returns:
      `[n, c] float32`, rows that sum to 1: the smoothed label, of which `config.ferplus_weight` and
      `config.distillation_weight` are replaced. With `config.teachers`, whose part the training step adds, rows sum to
      1 - `config.distillation_weight`.

    Raises:
      ConfigError: the configuration asks for votes and the data have none.
      DataError: the soft labels are missing, damaged or of other images.
    """
    votes, soft_labels = _votes_and_soft_labels(split, config)
    num_classes = len(split.class_names)
    targets = np.asarray(smooth_targets(jnp.asarray(split.labels), config.label_smoothing, num_classes))
    label_share = max(0.0, 1.0 - config.ferplus_weight - config.distillation_weight)
    targets = label_share * targets
    if votes is not None:
        by_majority = split.class_names == CLASSES
        given = vote_shares(votes) if by_majority else labels_given_votes(votes, split.labels, num_classes)
        targets = targets + config.ferplus_weight * given
    if soft_labels is not None:
        targets = targets + config.distillation_weight * soft_labels
    return targets.astype(np.float32)


def check_targets(split: Split, config: TrainConfig) -> None:
    """Checks that the data and files which `training_targets` needs are there, without computing targets.

    Raises:
      ConfigError, DataError: as `training_targets`.
    """
    _votes_and_soft_labels(split, config)


def _votes_and_soft_labels(split: Split, config: TrainConfig) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The votes and soft labels that the configuration uses; None for those that it does not."""
    if config.ferplus_weight and split.votes is None:
        raise ConfigError(
            f"ferplus_weight is {config.ferplus_weight}, but the data have no votes. Prepare them with"
            " `femo data prepare fer2013.zip --ferplus --data-dir FOLDER`, and give this folder as --data"
        )
    votes = split.votes if config.ferplus_weight else None
    return votes, load_soft_labels(config.soft_labels, split) if config.soft_labels else None


def labels_given_votes(votes: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The probability of each label given the votes of FER+, by multinomial logistic regression.

    Annotators and FER-2013 differ systematically: an image that ten annotators call neutral is often labelled sad.
    The regression is fitted to the same images, with 77 parameters.

    Args:
      votes: `[n, 10] uint8`, all zero where an image has no votes.
      labels: `[n] int32`.
      num_classes: number of classes.

    Returns:
      `[n, num_classes] float32`.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    shares = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    regression = LogisticRegression(C=10.0, max_iter=1000).fit(shares, labels)
    probabilities = np.zeros((len(labels), num_classes), np.float32)
    probabilities[:, regression.classes_] = regression.predict_proba(shares)
    return probabilities


def smooth_targets(labels: jax.Array, smoothing: float, num_classes: int) -> jax.Array:
    """Label smoothing (Szegedy et al. 2015, arXiv:1512.00567).

    `labels [b] int32` -> `[b, num_classes] float32`, rows that sum to 1.
    """
    return jax.nn.one_hot(labels, num_classes) * (1.0 - smoothing) + smoothing / num_classes


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights inverse to the class counts, with mean 1 over the images: `[n] int32` -> `[num_classes] float32`.

    A class without images weighs 0.
    """
    counts = np.bincount(labels, minlength=num_classes)
    present = counts > 0
    weights = np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)
    return weights.astype(np.float32)


def save_soft_labels(
    path: str | os.PathLike[str], split: Split, probabilities: np.ndarray, models: Sequence[str]
) -> None:
    """Writes soft labels with a digest.

    Args:
      path: of the file, by custom with the suffix `.safetensors`.
      split: whose images they belong to.
      probabilities: `[n, c]`, rows that sum to 1, in the order of the class names of the split.
      models: names of the teachers.

    Raises:
      DataError: they are not probabilities of these images.
    """
    probabilities = np.asarray(probabilities, np.float32)
    _check_probabilities(path, probabilities, (len(split.labels), len(split.class_names)))
    metadata = {
        "sha256": digest_of(probabilities),
        "pictures": digest_of(split.images),
        "classes": json.dumps(split.class_names),
        "models": json.dumps(list(models)),
    }
    with replacing(path) as beside:
        beside.write_bytes(save({"probabilities": probabilities}, metadata))


def load_soft_labels(path: str | os.PathLike[str], split: Split) -> np.ndarray:
    """Reads the probabilities `[n, c] float32` of the images of a split.

    Files of older versions have no digest; their values are checked all the same.

    Raises:
      DataError: the file is missing or damaged, belongs to other images, has other classes or another order, or holds
        what are not probabilities.
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
    if metadata.get("classes") != json.dumps(split.class_names):
        raise DataError(
            f"{path}: its classes are {metadata.get('classes')}, expected those of the data,"
            f" {json.dumps(split.class_names)}. Write them again with `femo soft-labels`"
        )
    _check_probabilities(path, probabilities, (len(split.labels), len(split.class_names)))
    if metadata.get("sha256", digest_of(probabilities)) != digest_of(probabilities):
        raise DataError(f"{path}: damaged: the digest does not match. Copy it again, or repeat `femo soft-labels`")
    return probabilities


def _check_probabilities(path: str | os.PathLike[str], probabilities: np.ndarray, shape: tuple[int, int]) -> None:
    """Raises DataError for what are not probabilities `[images, classes] float32` of this shape."""
    if probabilities.shape != shape or probabilities.dtype != np.float32:
        found = f"{probabilities.dtype} of shape {probabilities.shape}"
        raise DataError(f"{path}: the soft labels are {found}, expected float32 of shape {shape}")
    valid = np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        valid &= np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) < 1e-3
    if not valid.all():
        row = int(np.argmin(valid))
        raise DataError(
            f"{path}: {np.sum(~valid)} of {shape[0]} soft labels are not probabilities, first in row {row}:"
            f" {probabilities[row].tolist()}. Expected finite values from 0 that sum to 1. Repeat `femo soft-labels`"
        )
