"""Which of the found faces is which of the known ones: the best pairs of boxes over all of them."""

from collections.abc import Collection, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from femo_jax.live.boxes import Box, overlaps

LARGEST_GROWTH = 1.5
"""Factor by which a face that left its last box may have grown or shrunk and still be the same."""


def pair_boxes(
    known: Sequence[Box], found: Sequence[Box], min_overlap: float, hidden: Collection[int] = ()
) -> dict[int, int]:
    """Pairs found boxes with known ones, each at most once, by the greatest sum of overlaps.

    Overlaps with faces that are hidden count half: where one walks in front of another, its number would else be taken
    by the one that it hides, whose last box it crosses. What is left is paired by nearness: at few frames a second a
    face may leave its last box without a trace of overlap. It then belongs to a known face of like size whose centre
    was less than one box away.

    Args:
      known: where the faces were.
      found: where faces are.
      min_overlap: smallest intersection over union of a pair, above 0.
      hidden: indices in `known` of faces that were out of sight in the frame before.

    Returns:
      Index in `found` -> index in `known`.
    """
    overlap = overlaps(known, found)
    overlap[overlap < min_overlap] = 0.0
    overlap[list(hidden)] *= 0.5
    pairs = _assign(overlap)
    if len(pairs) == min(len(known), len(found)):
        return pairs
    nearness = _nearness(known, found)
    nearness[list(pairs.values())] = 0.0
    nearness[:, list(pairs)] = 0.0
    return pairs | _assign(nearness)


def _assign(scores: np.ndarray) -> dict[int, int]:
    """Column -> row of `[rows, columns]` scores so that their sum is greatest; a score of 0 is no pair."""
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return {int(column): int(row) for row, column in zip(rows, columns, strict=True) if scores[row, column] > 0}


def _nearness(known: Sequence[Box], found: Sequence[Box]) -> np.ndarray:
    """`[known, found] float64`: 1 at the same centre, 0 from one box's size away on, and 0 for unlike sizes."""
    centres, sizes = zip(*(_centres_and_sizes(boxes) for boxes in (known, found)), strict=True)
    distances = np.linalg.norm(centres[0][:, None] - centres[1], axis=-1)
    smaller = np.minimum(sizes[0][:, None], sizes[1])
    larger = np.maximum(sizes[0][:, None], sizes[1])
    return np.where(larger < LARGEST_GROWTH * smaller, np.maximum(1.0 - distances / larger, 0.0), 0.0)


def _centres_and_sizes(boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([box.center for box in boxes]), np.array([max(box.size, 1.0) for box in boxes])
