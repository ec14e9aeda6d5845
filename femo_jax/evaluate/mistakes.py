"""The wrong predictions of which a model is surest: in FER-2013 many of them are errors of the label."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from femo_jax.data.ferplus import VOTES
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError

COUNT = 40
"""Mistakes on a sheet, unless another number is asked for."""

MAX_COUNT = 400
"""Above this a sheet is too large for an image viewer."""

_AS_FEMO_SAYS = {"happiness": "happy", "sadness": "sad", "anger": "angry"}


class Mistake(NamedTuple):
    """A wrong prediction.

    Attributes:
      index: of the picture in its split.
      label: what the data set says.
      predicted: what the model says.
      confidence: the probability of `predicted`, 0..1.
      majority: what most of FER+'s voters say, an emotion in femo's words, "contempt", "unknown" or "not-a-face";
        several at a tie; none where there are no votes.
    """

    index: int
    label: str
    predicted: str
    confidence: float
    majority: tuple[str, ...] = ()


def check_count(count: int) -> None:
    """Makes sure that a sheet can show so many mistakes, for a caller about to work long before it draws.

    Raises:
      ConfigError: it cannot.
    """
    if not 1 <= count <= MAX_COUNT:
        raise ConfigError(f"{count} mistakes are asked for; expected 1 to {MAX_COUNT}.")


def select_mistakes(
    probabilities: np.ndarray, labels: np.ndarray, votes: np.ndarray | None = None, count: int = COUNT
) -> list[Mistake]:
    """The wrong predictions with the highest confidence, the surest first; equally sure ones in the split's order.

    Args:
      probabilities: `[n, 7] float`, each row a softmax in the order of `femo_jax.EMOTIONS`.
      labels: `[n] int`, class indices in the same order.
      votes: `[n, 10]` of FER+, or None.
      count: so many at most.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        Mistake(
            index=int(index),
            label=EMOTIONS[labels[index]],
            predicted=EMOTIONS[predicted[index]],
            confidence=float(confidence[index]),
            majority=() if votes is None else majority_of(votes[index]),
        )
        for index in surest
    ]


def majority_of(votes: np.ndarray) -> tuple[str, ...]:
    """What most of FER+'s voters say of a picture: several at a tie, nothing without a vote.

    Args:
      votes: `[10]` in the order of `femo_jax.data.ferplus.VOTES`.
    """
    if not votes.any():
        return ()
    words = [VOTES[index] for index in np.flatnonzero(votes == votes.max())]
    return tuple(_AS_FEMO_SAYS.get(word, word) for word in words)


def sheet_title(mistakes: Sequence[Mistake], wrong: int) -> str:
    """How many of a split's `wrong` predictions are shown, and with whom FER+'s voters side."""
    title = f"the {len(mistakes):,} surest of {wrong:,} wrong predictions"
    voted = [mistake for mistake in mistakes if mistake.majority]
    if not voted:
        return title
    with_model = sum(mistake.majority == (mistake.predicted,) for mistake in voted)
    with_label = sum(mistake.majority == (mistake.label,) for mistake in voted)
    return f"{title}\nFER+'s majority: {with_model} as predicted, {with_label} as labelled, of {len(voted)}"
