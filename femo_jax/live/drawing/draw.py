"""Faces with their emotions, drawn on a frame: boxes, labels, panels of bars and a status line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.text import (
    DARK,
    SMALLEST_CAPITAL,
    WHITE,
    Color,
    Layout,
    Plate,
    class_color,
    fill,
    fitting,
    ink,
    mixed,
    padding,
    plate_size,
    text_width,
    write,
)
from femo_jax.live.image import Box
from femo_jax.live.results import FaceEmotion

_GREY = (128, 128, 128)
_DASH = 8  # length of a dash as a multiple of the width of its line
_MOST_DASHES = 15  # on each side of an uncertain face
_MOST_COVERED = 0.1  # part of a panel that may lie on text, which counts fourfold
_BRIGHTNESS = 0.25  # of the frame that shines through
_QUIET: Color = (185, 185, 185)
_TRACK: Color = (70, 70, 70)
_ROW = 1.7  # distance of two rows, in heights of a capital letter
_BAR = 7.0  # length of a full bar, likewise


def draw(
    image: np.ndarray, faces: Sequence[FaceEmotion], config: DrawConfig | None = None, status: str | None = None
) -> np.ndarray:
    """Draws faces on a copy of a frame.

    Sizes follow the frame, so that text can be read at 320x240 and at 4K. An uncertain face has a dashed box and a
    dark plate with a question mark. Labels stay inside the frame and, where there is space, off each other and off
    other faces; so do panels, and one that finds no space is left out, those of small faces first. A frame too small
    for readable text gets none.

    Args:
      image: the frame, `[h, w, 3] uint8` BGR; it is not changed.
      faces: with boxes in its pixels; parts outside the frame are left out.
      config: what is drawn; `DrawConfig()` where it is None.
      status: a line for the upper left corner, as of `status_text`, in ASCII.

    Returns:
      The drawn frame, `[h, w, 3] uint8` BGR.

    Raises:
      ValueError: the image is empty or of another form.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"cannot draw on {image.dtype} {list(image.shape)}; expected uint8 [h, w, 3] in BGR.")
    config = config or DrawConfig()
    canvas = image.copy()
    height, width = canvas.shape[:2]
    style = _Style.of(width, height, config.scale)

    boxes = [face.box.rounded().clipped(width, height) for face in faces]
    seen = [(face, box) for face, box in zip(faces, boxes, strict=True) if box.w > 0 and box.h > 0]
    layout = Layout(width, height, [box for _, box in seen])
    plates = [_status_plate(status, style, layout)] if config.status and status else []
    plates += [_label_plate(face, box, style, layout, config) for face, box in seen]
    panels = []
    if config.bars:
        nearest_first = sorted(seen, key=lambda pair: -pair[1].size)
        panels = [place_panel(face, box, 0.75 * style.capital, 2 * style.line, layout) for face, box in nearest_first]

    for face, box in seen:
        _draw_box(canvas, box, face, style)
    for text in (*panels, *plates):
        if text is not None:
            text.draw(canvas)
    return canvas


def status_text(frames_per_second: float | None, latency_ms: float | None) -> str:
    """Frame rate and latency in a line, as in `24 fps  41 ms`; what is None is left out."""
    parts = []
    if frames_per_second is not None:
        parts.append(f"{_two_digits(frames_per_second)} fps")
    if latency_ms is not None:
        parts.append(f"{_two_digits(latency_ms)} ms")
    return "  ".join(parts)


def _two_digits(value: float) -> str:
    return f"{value:.{0 if value >= 9.95 else 1}f}"


@dataclass(frozen=True)
class _Style:
    """Sizes for one size of frame, in pixels.

    Attributes:
      capital: height of a capital letter of a label.
      line: width of a box's line.
    """

    capital: float
    line: int

    @classmethod
    def of(cls, width: int, height: int, scale: float) -> "_Style":
        """The sizes for a frame; an upright one counts as the 4:3 frame of its width."""
        # Large frames are looked at on large screens: there the text may be the smaller part of the frame.
        growth = (min(height, 0.75 * width) / 480) ** 0.85
        return cls(capital=max(9.0, 12 * growth) * scale, line=max(2, round(2 * growth * scale)))


def _status_plate(text: str, style: _Style, layout: Layout) -> Plate | None:
    capital = fitting(text, 0.9 * style.capital, layout.width, layout.height)
    if capital is None:
        return None
    corner = Box(capital / 2, capital / 2, *plate_size(text, capital))
    return Plate(layout.take([corner]), text, capital, WHITE, DARK)


def _label_plate(face: FaceEmotion, box: Box, style: _Style, layout: Layout, config: DrawConfig) -> Plate | None:
    text = label_text(face, config)
    capital = fitting(text, style.capital, layout.width, layout.height)
    if capital is None:
        return None
    place = layout.take(_round_about(box, *plate_size(text, capital), style.line))
    color = class_color(face.label, face.class_names)
    if face.uncertain:
        return Plate(place, text, capital, mixed(color, WHITE, 0.4), DARK, edge=mixed(color, _GREY, 0.35))
    return Plate(place, text, capital, ink(color), color)


def label_text(face: FaceEmotion, config: DrawConfig) -> str:
    """What stands beside a face, such as `2: happy 87%`; with a question mark where the face is uncertain."""
    number = f"{face.track_id}: " if config.ids and face.track_id is not None else ""
    percent = f" {100 * face.confidence:.0f}%" if config.confidence else ""
    return f"{number}{face.label}{'?' if face.uncertain else ''}{percent}"


def _round_about(box: Box, w: float, h: float, line: int) -> list[Box]:
    """Places for a label, the best first: above the face, below, inside, then further and further off."""
    left, right = box.x - line, box.x + box.w + line - w
    above, below = box.y - line - h, box.y + box.h + line
    rows = [above, below, box.y + line, box.y + box.h - line - h]
    rows += [y for step in range(1, 5) for y in (above - step * h, below + step * h)]
    return [Box(x, y, w, h) for y in rows for x in (left, right)]


def _draw_box(canvas: np.ndarray, box: Box, face: FaceEmotion, style: _Style) -> None:
    """A line in the emotion's colour with a dark outline, so that it shows on any ground."""
    color = class_color(face.label, face.class_names)
    line = style.line
    left, top, right, bottom = box.x, box.y, box.x + box.w - 1, box.y + box.h - 1
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], np.int32)
    sides = np.stack([corners[:-1], corners[1:]], axis=1)
    if face.uncertain:
        color = mixed(color, _GREY, 0.35)
        line = max(1, round(0.7 * line))
        sides = np.concatenate([_dashes(start, end, _DASH * line) for start, end in sides])
    outline = max(1, line // 4)
    cv2.polylines(canvas, [*sides], isClosed=False, color=DARK, thickness=line + 2 * outline)
    cv2.polylines(canvas, [*sides], isClosed=False, color=color, thickness=line)


def _dashes(start: np.ndarray, end: np.ndarray, length: int) -> np.ndarray:
    """A line as dashes and gaps of about the same length, a dash at either end: `[dashes, 2, 2] int32`."""
    count = round((np.abs(end - start).max() / length + 1) / 2)
    cuts = np.linspace(start, end, 2 * min(max(count, 2), _MOST_DASHES))
    return cuts.round().astype(np.int32).reshape(-1, 2, 2)


@dataclass(frozen=True)
class Panel:
    """A bar for each class, on a darkened part of the frame.

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
        names = self.face.class_names
        bars = left + _names_width(names, self.capital) + 2 * inner
        length = left + w - inner - bars
        for number, (name, probability) in enumerate(zip(names, self.face.probabilities, strict=True)):
            row = top + inner + number * _ROW * self.capital
            color = WHITE if name == self.face.label else _QUIET
            write(canvas, name, left + inner, row + self.capital, self.capital, color)
            fill(canvas, Box(bars, row, length, self.capital), _TRACK)
            filled = length * min(max(float(probability), 0.0), 1.0)
            fill(canvas, Box(bars, row, filled, self.capital), class_color(name, names))


def place_panel(face: FaceEmotion, box: Box, capital: float, gap: float, layout: Layout) -> Panel | None:
    """Finds a place for a panel beside a face, else below or above it.

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
    w, h = _size(face.class_names, capital)
    capital *= min(1.0, layout.width / w, layout.height / h)
    if capital < SMALLEST_CAPITAL:
        return None
    w, h = _size(face.class_names, capital)
    right, left, low = box.x + box.w + gap, box.x - w - gap, box.y + box.h - h
    above, below = box.y - h - gap, box.y + box.h + gap
    corners = [(right, box.y), (left, box.y), (right, low), (left, low), (box.x, below), (box.x, above)]
    place = layout.take_free([Box(x, y, w, h) for x, y in corners], _MOST_COVERED, owner=box)
    return None if place is None else Panel(place, face, capital)


@lru_cache(maxsize=64)
def _names_width(class_names: tuple[str, ...], capital: float) -> int:
    return max(text_width(name, capital) for name in class_names)


def _size(class_names: tuple[str, ...], capital: float) -> tuple[int, int]:
    width = _names_width(class_names, capital) + _BAR * capital + 3 * padding(capital)
    height = ((len(class_names) - 1) * _ROW + 1) * capital + 2 * padding(capital)
    return math.ceil(width), math.ceil(height)
