"""A model and data with different class names: which images can be judged, and over which classes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from femo_jax.data.splits import Split
from femo_jax.emotions import canonical_name
from femo_jax.errors import ConfigError


class MatchedClasses(NamedTuple):
    """The classes that a model and a split have in common, by canonical name.

    Attributes:
      split: the images whose class the model has, with the class names of the model and labels to match.
      common: `[k] int` indices of the model's classes that the data have, too.
      only_model: names of the model's classes that the data lack.
      only_data: names of the data's classes that the model lacks.
      left_out: number of images of these.
    """

    split: Split
    common: np.ndarray
    only_model: tuple[str, ...]
    only_data: tuple[str, ...]
    left_out: int


def match_classes(model_classes: Sequence[str], split: Split) -> MatchedClasses:
    """Expresses the labels of a split in the classes of a model.

    Raises:
      ConfigError: they have fewer than two classes in common, or no image of one.
    """
    model_classes = tuple(model_classes)
    if model_classes == split.class_names:
        return MatchedClasses(split, np.arange(len(model_classes)), (), (), 0)
    index = {canonical_name(name): number for number, name in enumerate(model_classes)}
    to_model = np.array([index.get(canonical_name(name), -1) for name in split.class_names])
    common = np.unique(to_model[to_model >= 0])
    labels = to_model[split.labels]
    known = labels >= 0
    if len(common) < 2 or not known.any():
        raise ConfigError(
            f"the model has the classes {', '.join(model_classes)}, and the data {', '.join(split.class_names)}:"
            " expected at least two in common, with images"
        )
    return MatchedClasses(
        split=Split(
            images=split.images[known],
            labels=labels[known].astype(np.int32),
            names=split.names[known],
            votes=None if split.votes is None else split.votes[known],
            class_names=model_classes,
        ),
        common=common,
        only_model=tuple(name for number, name in enumerate(model_classes) if number not in common),
        only_data=tuple(name for name, to in zip(split.class_names, to_model, strict=True) if to < 0),
        left_out=int((~known).sum()),
    )


def restricted(probabilities: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[n, c]` probabilities and `[n]` labels over the classes `[k]` alone: `[n, k]`, rows that sum to 1, and `[n]`."""
    kept = np.maximum(np.asarray(probabilities, np.float64)[:, classes], np.finfo(np.float32).tiny)
    return kept / kept.sum(axis=1, keepdims=True), np.searchsorted(classes, labels)
