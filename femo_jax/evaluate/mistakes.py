"""The wrong predictions of which a model is surest: in FER-2013 many of them are errors of the label."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure

from femo_jax.data.ferplus import VOTES
from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.plots import BLUE, GREY, check_format, save_figure

COUNT = 40
"""Mistakes on a sheet, unless another number is asked for."""

MAX_COUNT = 400
"""Above this a sheet is too large for an image viewer."""

_AS_FEMO_SAYS = {"happiness": "happy", "sadness": "sad", "anger": "angry"}
_COLUMNS = 8
_ENLARGED = 192  # pixels a side: four times FER-2013's
_CAPTION = 0.36  # height below a face, relative to its own


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


def plot_mistakes(mistakes: Sequence[Mistake], split: Split, path: str | os.PathLike[str], title: str) -> None:
    """Draws a contact sheet: each face enlarged, with label, prediction and confidence, and FER+'s majority.

    Args:
      mistakes: of `select_mistakes`, in their order.
      split: whose pictures they are.
      path: of the figure.
      title: above the sheet.

    Raises:
      FemoError: the suffix is of no figure format, or the file cannot be written.
    """
    check_format(path)
    rows = max(1, -(-len(mistakes) // _COLUMNS))
    figure = Figure(figsize=(1.9 * _COLUMNS, 1.9 * (1 + _CAPTION) * rows + 0.8), layout="constrained")
    figure.suptitle(title, fontsize="x-large")
    sheet = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in sheet:
        axes.set_axis_off()
    for axes, mistake in zip(sheet, mistakes, strict=False):  # the last row need not be full
        face = cv2.resize(split.images[mistake.index, ..., 0], (_ENLARGED, _ENLARGED), interpolation=cv2.INTER_CUBIC)
        axes.imshow(face, cmap="gray", vmin=0, vmax=255)
        axes.set_ylim(_ENLARGED * (1 + _CAPTION), 0)
        majority = f"FER+: {' / '.join(mistake.majority)}" if mistake.majority else ""
        name = str(split.names[mistake.index]).rsplit("/", 1)[-1]
        lines = (
            (f"{mistake.label} → {mistake.predicted} {100 * mistake.confidence:.0f} %", 10, "black"),
            (majority, 9, BLUE),
            (name, 7, GREY),
        )
        below = 1.03
        for line, size, colour in lines:
            if line:
                axes.text(_ENLARGED / 2, below * _ENLARGED, line, ha="center", va="top", fontsize=size, color=colour)
                below += 0.11
    save_figure(figure, path, dpi=100)
