"""The panel of seven bars beside a face."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from femo_jax.emotions import Emotion
from femo_jax.live.boxes import Box
from femo_jax.live.drawing.layout import Layout
from femo_jax.live.drawing.lettering import SMALLEST_CAPITAL, fill, padding, text_width, write
from femo_jax.live.drawing.palette import WHITE, Color, emotion_color
from femo_jax.live.results import FaceEmotion

_MOST_COVERED = 0.1  # part of a panel that may lie on other faces; on text, a quarter of that
_BRIGHTNESS = 0.25  # of the frame that shines through
_QUIET: Color = (185, 185, 185)
_TRACK: Color = (70, 70, 70)
_ROW = 1.7  # distance of two rows, in heights of a capital letter
_BAR = 7.0  # length of a full bar, likewise


@dataclass(frozen=True)
class Panel:
    """Seven bars, one an emotion, on a darkened part of the frame.

    Attributes:
      box: the part of the frame.
      face: whose probabilities are shown.
      capital: height of capital letters, in pixels.
    """

    box: Box
    face: FaceEmotion
    capital: float

    def draw(self, canvas: np.ndarray) -> None:
        """Draws it on a frame `[h, w, 3] uint8` BGR."""
        left, top, w, h = (int(value) for value in self.box.rounded())
        part = canvas[top : top + h, left : left + w]
        cv2.convertScaleAbs(part, dst=part, alpha=_BRIGHTNESS)
        inner = padding(self.capital)
        bars = left + _names_width(self.capital) + 2 * inner
        length = left + w - inner - bars
        for emotion, probability in zip(Emotion, self.face.probabilities, strict=True):
            row = top + inner + emotion * _ROW * self.capital
            color = WHITE if emotion.label == self.face.label else _QUIET
            write(canvas, emotion.label, left + inner, row + self.capital, self.capital, color)
            fill(canvas, Box(bars, row, length, self.capital), _TRACK)
            filled = length * min(max(float(probability), 0.0), 1.0)
            fill(canvas, Box(bars, row, filled, self.capital), emotion_color(emotion.label))


def place_panel(face: FaceEmotion, box: Box, capital: float, gap: float, layout: Layout) -> Panel | None:
    """Finds room for a panel beside a face, else below or above it.

    Args:
      face: whose probabilities are to be shown.
      box: of the face.
      capital: height of capital letters, in pixels; lower ones are taken where the frame is too small.
      gap: between face and panel, in pixels.
      layout: what is on the frame already.

    Returns:
      The panel, or None where it would hide faces or text, or could not be read. Where its own face fills the frame,
      it lies on a part of it.
    """
    w, h = _size(capital)
    capital *= min(1.0, layout.width / w, layout.height / h)
    if capital < SMALLEST_CAPITAL:
        return None
    w, h = _size(capital)
    right, left, low = box.x + box.w + gap, box.x - w - gap, box.y + box.h - h
    above, below = box.y - h - gap, box.y + box.h + gap
    corners = [(right, box.y), (left, box.y), (right, low), (left, low), (box.x, below), (box.x, above)]
    place = layout.take_free([Box(x, y, w, h) for x, y in corners], _MOST_COVERED, owner=box)
    return None if place is None else Panel(place, face, capital)


@lru_cache(maxsize=64)
def _names_width(capital: float) -> int:
    return max(text_width(emotion.label, capital) for emotion in Emotion)


def _size(capital: float) -> tuple[int, int]:
    width = _names_width(capital) + _BAR * capital + 3 * padding(capital)
    height = (6 * _ROW + 1) * capital + 2 * padding(capital)
    return math.ceil(width), math.ceil(height)
