"""One box a face: boxes in nearly the same place are one."""

from collections.abc import Sequence

import numpy as np

from femo_jax.live.boxes import Box, overlaps

SAME_OVERLAP = 0.5
"""Intersection over union above which two boxes hold the same face."""

INSIDE = 0.8
"""Part of a box's area inside another box from which on they hold the same face."""


def without_duplicates(boxes: Sequence[Box]) -> list[Box]:
    """The boxes less each that lies in nearly the same place as one before it: put the most certain ones first."""
    area = np.array([box.w * box.h for box in boxes])
    overlap = overlaps(boxes, boxes)
    # The intersection from its ratio to the union: i = u o and u = a + b - i.
    intersection = overlap / (1 + overlap) * (area[:, None] + area)
    same = (overlap > SAME_OVERLAP) | (intersection >= INSIDE * np.minimum(area[:, None], area))
    kept: list[int] = []
    for index in range(len(boxes)):
        if not same[index, kept].any():
            kept.append(index)
    return [boxes[index] for index in kept]
