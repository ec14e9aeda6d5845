"""Lines of text in OpenCV's own font, measured by the height of their capital letters in pixels."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from femo_jax.live.boxes import Box
from femo_jax.live.drawing.palette import Color

SMALLEST_CAPITAL = 5.0
"""Letters of which the capitals are lower than this cannot be told apart."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 21  # height of the font's capital letters at scale 1, in pixels


@dataclass(frozen=True)
class Plate:
    """A line of text on a filled rectangle.

    Attributes:
      box: the rectangle.
      text: in ASCII; the font has no other letters.
      capital: height of its capital letters.
      ink: colour of the text.
      ground: colour of the rectangle.
      edge: colour of a thin line round it, if any.
    """

    box: Box
    text: str
    capital: float
    ink: Color
    ground: Color
    edge: Color | None = None

    def draw(self, canvas: np.ndarray) -> None:
        """Draws it on a frame `[h, w, 3] uint8` BGR."""
        fill(canvas, self.box, self.edge or self.ground)
        if self.edge is not None:
            line = max(1, round(self.capital / 12))
            x, y, w, h = self.box
            fill(canvas, Box(x + line, y + line, w - 2 * line, h - 2 * line), self.ground)
        inner = padding(self.capital)
        write(canvas, self.text, self.box.x + inner, self.box.y + inner + self.capital, self.capital, self.ink)


def write(canvas: np.ndarray, text: str, x: float, baseline: float, capital: float, color: Color) -> None:
    """Writes a line that begins at column `x` and stands on row `baseline`."""
    scale, thickness = _font(capital)
    cv2.putText(canvas, text, (round(x), round(baseline)), _FONT, scale, color, thickness, cv2.LINE_AA)


def fill(canvas: np.ndarray, box: Box, color: Color) -> None:
    """Fills a rectangle, if it covers a pixel at all."""
    left, top, w, h = (int(value) for value in box.rounded())
    if w > 0 and h > 0:
        cv2.rectangle(canvas, (left, top), (left + w - 1, top + h - 1), color, cv2.FILLED)


def text_width(text: str, capital: float) -> int:
    """Width of a line in pixels."""
    (width, _), _ = cv2.getTextSize(text, _FONT, *_font(capital))
    return width


def padding(capital: float) -> int:
    """Room round a line of text; below the baseline it holds the tails of g, p and y with their blurred edge."""
    return math.ceil(0.4 * capital + 1.2)


def plate_size(text: str, capital: float) -> tuple[int, int]:
    """Width and height of a plate for a line of text."""
    return text_width(text, capital) + 2 * padding(capital), math.ceil(capital) + 2 * padding(capital)


def fitting(text: str, capital: float, width: int, height: int) -> float | None:
    """The given height of letters, or a lower one at which the plate fits a frame; None if that cannot be read."""
    while capital >= SMALLEST_CAPITAL:
        w, h = plate_size(text, capital)
        if w <= width and h <= height:
            return capital
        capital *= 0.95
    return None


def _font(capital: float) -> tuple[float, int]:
    """Scale and thickness of the font."""
    return capital / _CAPITAL, max(1, round(capital / 11))
