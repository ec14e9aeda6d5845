"""Text on a frame: colours, lines in OpenCV's font, and where they go.

Letters are measured by the height of their capitals in pixels. Colours are blue, green, red in 0..255, as OpenCV takes
them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from femo_jax.emotions import EMOTIONS, class_colors
from femo_jax.live.image import Box

Color = tuple[int, int, int]
"""Blue, green, red."""

BLACK: Color = (16, 16, 16)
WHITE: Color = (255, 255, 255)
DARK: Color = (40, 40, 40)
"""Ground of a plate that has no colour of its own, and outline of all lines."""

SMALLEST_CAPITAL = 5.0
"""Letters of which the capitals are lower than this cannot be distinguished."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 21  # height of the font's capital letters at scale 1, in pixels

_COST_OF_TEXT = 4.0  # covering other text is worse than covering a face,
_COST_OF_RANK = 0.05  # and a place of lower rank is better than either, but for a trifle


def class_color(label: str, class_names: tuple[str, ...] = EMOTIONS) -> Color:
    """The colour of a class by `femo_jax.emotions.class_colors`, in OpenCV's order."""
    red, green, blue = class_colors(class_names)[label]
    return blue, green, red


def ink(ground: Color) -> Color:
    """Black or white for text, whichever stands out more from its ground."""
    return max((BLACK, WHITE), key=lambda color: contrast(color, ground))


def mixed(first: Color, second: Color, part: float) -> Color:
    """The first colour with `part`, 0..1, of the second in it."""
    blue, green, red = (round((1 - part) * a + part * b) for a, b in zip(first, second, strict=True))
    return blue, green, red


def contrast(first: Color, second: Color) -> float:
    """Contrast ratio of two colours, 1 to 21; text wants 4.5 (W3C, Web Content Accessibility Guidelines 2.2)."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance of an sRGB colour, 0 to 1, as the same guidelines define it."""
    values = np.array(color) / 255
    blue, green, red = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


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


class Layout:
    """The places on one frame that are taken by faces and by text.

    Attributes:
      width: of the frame, in pixels.
      height: of the frame, in pixels.
    """

    def __init__(self, width: int, height: int, faces: Sequence[Box]) -> None:
        """Begins with the faces alone."""
        self.width = width
        self.height = height
        self._faces = np.array(faces, np.float64).reshape(-1, 4)
        self._taken = self._faces
        self._costs = np.ones(len(faces))

    def take(self, candidates: Sequence[Box]) -> Box:
        """Chooses the place that covers least of faces and text, and takes it.

        Args:
          candidates: at least one, the best first; each is moved into the frame before it is judged.
        """
        place, _ = self._best(candidates)
        self._take(place)
        return place

    def take_free(self, candidates: Sequence[Box], most: float, owner: Box) -> Box | None:
        """Like `take`, but takes nothing, and returns None, where even the best place is not free.

        A free place covers nothing of any face but its owner.

        Args:
          candidates: at least one, the best first.
          most: the part of a free place that may at most be taken by text, which counts fourfold.
          owner: the face that the place belongs to, of which it may cover less than half.
        """
        others = self._faces[(self._faces != owner).any(axis=1)]
        places = self._moved_inside(candidates)
        free = places[~(_intersections(places, others) > 0).any(axis=1)]
        if not len(free):
            return None
        place, covered = self._best([Box(*each) for each in free.tolist()])
        own = _intersections(np.array([place]), np.array([owner])).item()
        if covered - own > most * place.w * place.h or own > owner.w * owner.h / 2:
            return None
        self._take(place)
        return place

    def _best(self, candidates: Sequence[Box]) -> tuple[Box, float]:
        """The best place, and what it covers."""
        places = self._moved_inside(candidates)
        sizes = places[:, 2:]
        covered = _intersections(places, self._taken) @ self._costs
        rank = _COST_OF_RANK * np.arange(len(places)) * sizes.prod(axis=1)
        chosen = int((covered + rank).argmin())
        return Box(*places[chosen].tolist()), float(covered[chosen])

    def _moved_inside(self, candidates: Sequence[Box]) -> np.ndarray:
        """The places `[n, 4]`, inside the frame; what is larger than it begins at its left or upper edge."""
        places = np.array(candidates, np.float64)
        places[:, :2] = np.maximum(np.minimum(places[:, :2], (self.width, self.height) - places[:, 2:]), 0)
        return places

    def _take(self, place: Box) -> None:
        self._taken = np.vstack([self._taken, place])
        self._costs = np.append(self._costs, _COST_OF_TEXT)


def _intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Common area of all pairs in square pixels: boxes `[n, 4]`, `[m, 4]` -> `[n, m]`."""
    x, y, w, h = first.T[..., None]
    others_x, others_y, others_w, others_h = second.T
    columns = np.minimum(x + w, others_x + others_w) - np.maximum(x, others_x)
    rows = np.minimum(y + h, others_y + others_h) - np.maximum(y, others_y)
    return np.maximum(columns, 0) * np.maximum(rows, 0)
