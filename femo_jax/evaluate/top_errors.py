"""The most confident errors of a model: in FER-2013 many of them are label errors."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from femo_jax.data.ferplus import VOTES
from femo_jax.data.splits import Split
from femo_jax.emotions import canonical_name
from femo_jax.errors import ConfigError

COUNT = 40
"""Errors on a sheet by default."""

MAX_COUNT = 400
"""Above this a sheet is too large for an image viewer."""


class TopError(NamedTuple):
    """A wrong prediction.

    Attributes:
      index: of the image in its split.
      label: of the data set.
      predicted: the model's prediction.
      confidence: the probability of `predicted`, 0..1.
      majority: the majority vote of FER+, an emotion, "contempt", "unknown" or "not-a-face";
        several at a tie; none where there are no votes.
    """

    index: int
    label: str
    predicted: str
    confidence: float
    majority: tuple[str, ...] = ()


def check_count(count: int) -> None:
    """Checks that a sheet can show so many errors, for a caller about to work long before it draws.

    Raises:
      ConfigError: it cannot.
    """
    if not 1 <= count <= MAX_COUNT:
        raise ConfigError(f"--top-errors-count is {count}; expected 1 to {MAX_COUNT}.")


def select_top_errors(probabilities: np.ndarray, split: Split, count: int = COUNT) -> list[TopError]:
    """The wrong predictions with the highest confidence, in falling order; ties keep the split's order.

    Args:
      probabilities: `[n, c] float`, each row a softmax in the order of the split's class names.
      split: the images, with their labels and, where it has them, votes of FER+.
      count: so many at most.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != split.labels)
    top = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        TopError(
            index=int(index),
            label=split.class_names[split.labels[index]],
            predicted=split.class_names[predicted[index]],
            confidence=float(confidence[index]),
            majority=() if split.votes is None else majority_of(split.votes[index]),
        )
        for index in top
    ]


def majority_of(votes: np.ndarray) -> tuple[str, ...]:
    """The majority vote of FER+ on an image: several classes at a tie, none without a vote.

    Args:
      votes: `[10]` in the order of `femo_jax.data.ferplus.VOTES`.
    """
    if not votes.any():
        return ()
    words = [VOTES[index] for index in np.flatnonzero(votes == votes.max())]
    return tuple(map(canonical_name, words))


def sheet_title(errors: Sequence[TopError], wrong: int) -> str:
    """How many of a split's `wrong` predictions are shown, and how FER+'s majority votes on them."""
    title = f"the {len(errors):,} most confident of {wrong:,} errors"
    voted = [error for error in errors if error.majority]
    if not voted:
        return title
    with_model = sum(error.majority == (error.predicted,) for error in voted)
    with_label = sum(error.majority == (error.label,) for error in voted)
    return f"{title}\nFER+ majority vote: {with_model} as predicted, {with_label} as labelled, of {len(voted)}"
