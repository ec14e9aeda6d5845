"""Bounding boxes: x, y, width and height in pixels of the full frame, from its upper left corner."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A rectangle that covers the pixels `x <= column < x + w` and `y <= row < y + h`."""

    x: float
    y: float
    w: float
    h: float

    @property
    def center(self) -> tuple[float, float]:
        """Column and row of its middle."""
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def size(self) -> float:
        """Side of the square of the same area, in pixels."""
        return (self.w * self.h) ** 0.5

    def clipped(self, width: int, height: int) -> "Box":
        """The part inside a frame of `width` by `height` pixels; without area where there is none."""
        left, top = min(max(self.x, 0), width), min(max(self.y, 0), height)
        right, bottom = min(max(self.x + self.w, left), width), min(max(self.y + self.h, top), height)
        return Box(left, top, right - left, bottom - top)

    def rounded(self) -> "Box":
        """The nearest box with edges on whole pixels."""
        left, top = round(self.x), round(self.y)
        return Box(left, top, round(self.x + self.w) - left, round(self.y + self.h) - top)


def overlaps(first: Sequence[Box], second: Sequence[Box]) -> np.ndarray:
    """Intersection over union of all pairs: boxes [n], [m] -> `[n, m] float64` in 0..1; 0 for boxes without area."""
    a = np.array(first, np.float64).reshape(-1, 1, 4)
    b = np.array(second, np.float64).reshape(1, -1, 4)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
