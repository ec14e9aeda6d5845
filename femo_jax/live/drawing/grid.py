"""Frames of several sources side by side."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

_LARGEST = (3840, 2160)  # width and height of a grid: it is encoded and shown as one frame
_FADED = 0.35  # part of the brightness that is left


class Grid:
    """Cells of one size, each with the last frame of a source.

    Attributes:
      image: `[h, w, 3] uint8` BGR, of the same size throughout; it is the memory in which the cells are drawn.
    """

    def __init__(self, count: int, sizes: Sequence[tuple[int, int]]) -> None:
        """Makes black cells.

        Args:
          count: of sources, at least 1.
          sizes: widths and heights of frames in pixels; a cell holds the largest width and height, unless the grid
            were larger than 3840x2160 then.
        """
        self._columns = math.ceil(math.sqrt(count))
        rows = math.ceil(count / self._columns)
        width, height = (max(sides) for sides in zip(*sizes, strict=True))
        shrink = min(1.0, _LARGEST[0] / (width * self._columns), _LARGEST[1] / (height * rows))
        self._cell = max(1, math.floor(width * shrink)), max(1, math.floor(height * shrink))
        self.image = np.zeros((rows * self._cell[1], self._columns * self._cell[0], 3), np.uint8)

    def put(self, number: int, image: np.ndarray) -> None:
        """Puts a frame `[h, w, 3] uint8` BGR into a cell; they are counted from 0, row by row."""
        self._part(number)[:] = letterboxed(image, *self._cell)

    def fade(self, number: int) -> None:
        """Darkens the frame in a cell, as one that is out of date."""
        part = self._part(number)
        part[:] = cv2.convertScaleAbs(part, alpha=_FADED)

    def _part(self, number: int) -> np.ndarray:
        row, column = divmod(number, self._columns)
        width, height = self._cell
        return self.image[row * height : (row + 1) * height, column * width : (column + 1) * width]


def letterboxed(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image `[h, w, 3] uint8` scaled to fit into a frame, in its middle, on black."""
    h, w = image.shape[:2]
    if (w, h) == (width, height):
        return image
    scale = min(width / w, height / h)
    inner = max(1, round(w * scale)), max(1, round(h * scale))
    scaled = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    framed = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    framed[top : top + inner[1], left : left + inner[0]] = scaled
    return framed
