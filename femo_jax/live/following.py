"""Known faces between two looks of the detector: where a small image of each matches the frame."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from femo_jax.live.image import Box, DetectedFace, InputImage
from femo_jax.live.turns import Turns

_PATCH_SIZE = 24
"""Pixels to which the side of a face is reduced, by a whole number: up to half as many more remain of one above 48."""

_SAME_LOOK = 0.9
"""Correlation, up to 1, from which on a place looks as the face did. 26 faces of ten scenes have at most 0.84 with each
other and 0.83 with places beside faces; nine in ten have more than this with themselves up to 100 ms later."""

_FLAT = 4.0
"""Standard deviation in grey levels below which a face has nothing to match by."""

_FAR = 0.25
"""Widths of its box by which a face has moved since the last look, from which on it is looked at at once."""


class Patch(NamedTuple):
    """What a face is matched by.

    Attributes:
      face: as the detector found it.
      time: at which it did, in seconds.
      pixels: `[h, w] uint8`, of the face, reduced.
      x: column of their left edge in the frame in which it was found.
      y: row of their upper edge there.
      reduction: how many pixels of the frame one of them is wide and high.
    """

    face: Box
    time: float
    pixels: np.ndarray
    x: int
    y: int
    reduction: int


class CarriedFace(DetectedFace):
    """A face whose box was carried into this frame.

    Attributes:
      patch: what it was matched by.
    """

    patch: Patch


class FaceFollower:
    """Carries the boxes of known faces from frame to frame, and says which the detector is to look at instead.

    A face is matched with what the detector found last, not with the frame before: errors do not add up. What does not
    match is for the detector to find.
    """

    def __init__(self) -> None:
        """Knows no face."""
        self._turns = Turns()
        self.reset()

    def reset(self) -> None:
        """Forgets all faces."""
        self._patches: dict[Box, Patch] = {}
        self._time = -math.inf

    def carry(
        self, frame: InputImage, time: float, faces: Sequence[Box], steady: Collection[Box], every: float, window: float
    ) -> list[Box | None]:
        """Where the faces of the frames before are, as far as they need no look.

        Args:
          frame: the next frame.
          time: of the frame, in seconds.
          faces: where the faces were last found, none of them twice.
          steady: those of them that may go without a look.
          every: seconds between two looks at a steady face, above 0.
          window: side of the square in which a face is searched for, as a multiple of its box.

        Returns:
          For each face its box, in fractions of pixels, or None where it is to be looked at.
        """
        elapsed, self._time = time - self._time, time
        if elapsed < 0:
            self._patches = {}
        patches = {face: self._patches[face] for face in faces if face in steady and face in self._patches}
        looked_at = self._turns.choose({face: time - patch.time for face, patch in patches.items()}, elapsed, every)
        return [
            _moved(patches[face], frame, face, window) if face in patches and face not in looked_at else None
            for face in faces
        ]

    def keep(self, frame: InputImage, time: float, faces: Iterable[Box]) -> None:
        """Remembers the faces of a frame for the next one, those that were carried and those that were found."""
        self._patches = {}
        for face in faces:
            patch = face.patch if isinstance(face, CarriedFace) else _patch(frame, time, face)
            if patch is not None:
                self._patches[face] = patch


def _patch(frame: InputImage, time: float, face: Box) -> Patch | None:
    """A face as it looks now; None where there is nothing to match by."""
    x, y, w, h = map(int, face.rounded().clipped(frame.width, frame.height))
    reduction = max(1, int(face.size) // _PATCH_SIZE)
    columns, rows = w // reduction, h // reduction
    if min(columns, rows) < _PATCH_SIZE // 4:
        return None
    pixels = _reduced(frame, x, y, columns, rows, reduction)
    return Patch(face, time, pixels, x, y, reduction) if pixels.std() >= _FLAT else None


def _moved(patch: Patch, frame: InputImage, last: Box, window: float) -> CarriedFace | None:
    """Where in a square about its last place a face looks as it did, to a fraction of a pixel; None where nowhere."""
    step, face = patch.reduction, patch.face
    rows, columns = patch.pixels.shape
    reach = math.ceil((window - 1) / 2 * face.size / step)
    x, columns = _span(patch.x + last.x - face.x, columns, reach, step, frame.width)
    y, rows = _span(patch.y + last.y - face.y, rows, reach, step, frame.height)
    if columns < patch.pixels.shape[1] + 2 or rows < patch.pixels.shape[0] + 2:
        return None
    scores = cv2.matchTemplate(_reduced(frame, x, y, columns, rows, step), patch.pixels, cv2.TM_CCOEFF_NORMED)
    _, score, _, (column, row) = cv2.minMaxLoc(scores)
    inside = 0 < column < scores.shape[1] - 1 and 0 < row < scores.shape[0] - 1
    if score < _SAME_LOOK or not inside:
        return None
    dx = x + step * (column + _peak(*scores[row, column - 1 : column + 2])) - patch.x
    dy = y + step * (row + _peak(*scores[row - 1 : row + 2, column])) - patch.y
    if math.hypot(dx, dy) > _FAR * face.size:
        return None
    moved = CarriedFace(face.x + dx, face.y + dy, face.w, face.h)
    moved.patch = patch
    if isinstance(face, DetectedFace):
        moved.score = face.score
        moved.landmarks = None if face.landmarks is None else face.landmarks + np.array([dx, dy])
    return moved


def _span(start: float, length: int, reach: int, step: int, limit: int) -> tuple[int, int]:
    """First pixel of the frame and number of steps that reach beyond a side, and stay inside the frame."""
    first = round(start) - reach * step
    outside = max(0, math.ceil(-first / step))
    first += outside * step
    return first, min(length + 2 * reach - outside, (limit - first) // step)


def _reduced(frame: InputImage, x: int, y: int, columns: int, rows: int, reduction: int) -> np.ndarray:
    part = frame.grey[y : y + rows * reduction, x : x + columns * reduction]
    return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)


def _peak(before: float, at: float, after: float) -> float:
    """Where the parabola through three scores has its peak, from -0.5 to 0.5; the middle one is the highest."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(before - after) / float(2 * bend)
