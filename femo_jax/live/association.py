"""Association: which of the found boxes belongs to which of the known ones.

The assignment is femo's own, since importing SciPy's takes a third of femo's start.
"""

from collections.abc import Collection, Sequence

import numpy as np

from femo_jax.live.image import Box, overlaps

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
    rows, columns = np.nonzero(scores > 0)
    if len(set(rows.tolist())) < len(rows) or len(set(columns.tolist())) < len(columns):
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


def linear_sum_assignment(scores: np.ndarray, maximize: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns, each at most once, so that the sum of their scores is as small as can be.

    As `scipy.optimize.linear_sum_assignment`. Source: Jonker and Volgenant 1987, https://doi.org/10.1007/BF02278710,
    by shortest augmenting paths, as in Crouse 2016, https://doi.org/10.1109/TAES.2016.140952.

    Args:
      scores: `[n, m]` finite floats.
      maximize: make the sum as large as can be instead.

    Returns:
      Two arrays of `min(n, m)` integers: rows in rising order, and the column of each.
    """
    costs = np.asarray(scores, np.float64) * (-1 if maximize else 1)
    if costs.shape[0] > costs.shape[1]:
        columns, rows = linear_sum_assignment(costs.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    count, width = costs.shape
    of_row, of_column = np.zeros(count), np.zeros(width)  # dual variables
    column_of, row_of = np.full(count, -1), np.full(width, -1)
    for start in range(count):
        shortest, came_from = np.full(width, np.inf), np.full(width, -1)
        reached = np.zeros(width, bool)
        row, length, end = start, 0.0, -1
        rows = [start]
        while end < 0:
            by_row = length + costs[row] - of_row[row] - of_column
            better = ~reached & (by_row < shortest)
            shortest[better], came_from[better] = by_row[better], row
            column = int(np.argmin(np.where(reached, np.inf, shortest)))
            length, reached[column] = shortest[column], True
            if row_of[column] < 0:
                end = column
            else:
                row = int(row_of[column])
                rows.append(row)
        of_row[start] += length
        for each in rows[1:]:
            of_row[each] += length - shortest[column_of[each]]
        of_column[reached] -= length - shortest[reached]
        while True:  # swap along the path
            row = int(came_from[end])
            row_of[end] = row
            column_of[row], end = end, int(column_of[row])
            if row == start:
                break
    return np.arange(count), column_of
