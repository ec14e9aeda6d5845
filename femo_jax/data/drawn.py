"""Synthetic faces: cartoons of the seven emotions, for tests and demos without FER-2013.

A network trained on them does not work on real faces. The expression is carried by brows, eyes, nose and mouth alone,
moved as in the prototypes of Ekman and Friesen's Facial Action Coding System (1978); identity, position, lighting and
line width are random.
"""

from typing import NamedTuple

import cv2
import numpy as np

from femo_jax.data.splits import SPLITS, Split
from femo_jax.emotions import Emotion
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

FACES_PER_CLASS = {"train": 300, "validation": 60, "test": 60}
"""How many faces of each emotion `drawn_split` draws."""

_OVERSAMPLING = 4  # drawn this much larger and averaged down, for soft edges


class _Expression(NamedTuple):
    """What the muscles of a face do, in units of half the height of the head; zero is rest unless stated otherwise."""

    brow_raise: float
    brow_frown: float  # > 0: inner ends pulled down, < 0: pulled up
    eye_opening: float  # half the height of the opening; 0.1 is rest
    mouth_smile: float  # > 0: corners up, < 0: corners down
    mouth_opening: float  # half the height of the opening
    mouth_width: float  # half the distance between the corners; 0.3 is rest
    sneer: float  # the upper lip raised on one side, and the nose wrinkled


# Each movement is drawn evenly from its range; one that is not listed stays at zero.
_EXPRESSIONS: dict[Emotion, dict[str, tuple[float, float]]] = {
    Emotion.ANGRY: {
        "brow_raise": (-0.12, -0.04),
        "brow_frown": (0.10, 0.20),
        "eye_opening": (0.07, 0.13),
        "mouth_smile": (-0.14, -0.02),
        "mouth_opening": (0.0, 0.10),
        "mouth_width": (0.20, 0.34),
    },
    Emotion.DISGUST: {
        "brow_raise": (-0.12, -0.04),
        "brow_frown": (0.02, 0.12),
        "eye_opening": (0.03, 0.07),
        "mouth_smile": (-0.16, -0.06),
        "mouth_opening": (0.0, 0.05),
        "mouth_width": (0.24, 0.36),
        "sneer": (0.12, 0.22),
    },
    Emotion.FEAR: {
        "brow_raise": (0.06, 0.16),
        "brow_frown": (-0.18, -0.08),
        "eye_opening": (0.14, 0.20),
        "mouth_smile": (-0.14, -0.02),
        "mouth_opening": (0.07, 0.15),
        "mouth_width": (0.32, 0.44),
    },
    Emotion.HAPPY: {
        "brow_raise": (-0.02, 0.08),
        "brow_frown": (-0.04, 0.04),
        "eye_opening": (0.05, 0.11),
        "mouth_smile": (0.16, 0.30),
        "mouth_opening": (0.0, 0.16),
        "mouth_width": (0.34, 0.48),
    },
    Emotion.NEUTRAL: {
        "brow_raise": (-0.04, 0.04),
        "brow_frown": (-0.04, 0.04),
        "eye_opening": (0.08, 0.13),
        "mouth_smile": (-0.04, 0.05),
        "mouth_opening": (0.0, 0.02),
        "mouth_width": (0.24, 0.36),
    },
    Emotion.SAD: {
        "brow_raise": (-0.04, 0.06),
        "brow_frown": (-0.20, -0.09),
        "eye_opening": (0.04, 0.09),
        "mouth_smile": (-0.24, -0.11),
        "mouth_opening": (0.0, 0.03),
        "mouth_width": (0.22, 0.34),
    },
    Emotion.SURPRISE: {
        "brow_raise": (0.14, 0.24),
        "brow_frown": (-0.04, 0.04),
        "eye_opening": (0.14, 0.20),
        "mouth_smile": (-0.04, 0.04),
        "mouth_opening": (0.15, 0.28),
        "mouth_width": (0.13, 0.23),
    },
}


def draw_face(emotion: Emotion, rng: np.random.Generator) -> np.ndarray:
    """One drawn face: `[48, 48] uint8`; the same state of `rng` draws the same person, whatever the emotion."""
    ranges = _EXPRESSIONS[emotion]
    expression = _Expression(*(rng.uniform(*ranges.get(movement, (0.0, 0.0))) for movement in _Expression._fields))
    pencil = _Pencil(rng)
    _draw_head(pencil, rng)
    _draw_brows_and_eyes(pencil, rng, expression)
    _draw_nose(pencil, expression)
    _draw_mouth(pencil, rng, expression)
    return _photograph(pencil.canvas, rng)


def drawn_split(split: str) -> Split:
    """A split of drawn faces, always the same: `FACES_PER_CLASS` of each emotion, the classes mixed.

    Raises:
      DataError: the split is not one of train, validation and test.
    """
    if split not in FACES_PER_CLASS:
        raise DataError(f"drawn faces have no split {split!r}; choose one of {', '.join(SPLITS)}")
    rng = np.random.default_rng(SPLITS.index(split))
    labels = rng.permutation(np.repeat(np.arange(len(Emotion), dtype=np.int32), FACES_PER_CLASS[split]))
    images = np.stack([draw_face(Emotion(label), rng) for label in labels])[..., np.newaxis]
    names = np.array([f"drawn/{split}/{Emotion(label).label}_{index:04d}" for index, label in enumerate(labels)])
    return Split(images, labels, names)


class _Pencil:
    """A canvas and the frame of a head on it: origin between nose and eyes, x right, y down, half a head the unit."""

    def __init__(self, rng: np.random.Generator) -> None:
        side = IMAGE_SIZE * _OVERSAMPLING
        self.canvas = np.full((side, side), rng.uniform(20, 230), np.float32)
        self.skin = rng.uniform(90, 235)
        self.line = self.skin * rng.uniform(0.1, 0.45)
        self._thickness = rng.uniform(0.05, 0.085)
        scale = side * rng.uniform(0.36, 0.47)
        tilt = rng.normal(0.0, 0.12)
        breadth = rng.uniform(0.9, 1.1)
        across, down = np.array([np.cos(tilt), np.sin(tilt)]), np.array([-np.sin(tilt), np.cos(tilt)])
        self._axes = scale * np.stack([across * breadth, down])
        self._origin = side / 2 + rng.uniform(-0.07, 0.07, 2) * side
        self._scale = scale

    def _pixels(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        points = np.stack(np.broadcast_arrays(x, y), axis=-1) @ self._axes + self._origin
        return np.rint(points).astype(np.int32)

    def stroke(self, x: np.ndarray, y: np.ndarray, shade: float | None = None, weight: float = 1.0) -> None:
        """Draws a line through points; `weight` multiplies the thickness of the pencil."""
        thickness = max(1, round(self._scale * self._thickness * weight))
        shade = self.line if shade is None else shade
        cv2.polylines(self.canvas, [self._pixels(x, y)], False, shade, thickness, cv2.LINE_8)

    def fill(self, x: np.ndarray, y: np.ndarray, shade: float) -> None:
        """Fills the polygon through points."""
        cv2.fillPoly(self.canvas, [self._pixels(x, y)], shade)


_ANGLES = np.linspace(0.0, 2 * np.pi, 33)
_ACROSS = np.linspace(-1.0, 1.0, 17)  # from one end of a brow, an eye or a mouth to the other
_BULGE = np.sqrt(1 - _ACROSS**2)  # half an ellipse over `_ACROSS`


def _draw_head(pencil: _Pencil, rng: np.random.Generator) -> None:
    x, y = rng.uniform(0.74, 0.86) * np.cos(_ANGLES), np.sin(_ANGLES)
    bald = rng.random() < 0.15
    if not bald:
        length = rng.uniform(0.0, 0.8)
        hair = rng.uniform(10, 200)
        pencil.fill(rng.uniform(0.84, 1.0) * np.cos(_ANGLES), np.where(y < 0, 1.1, length) * y, hair)
    hairline = -1.0 if bald else rng.uniform(-0.85, -0.62)
    pencil.fill(x, np.maximum(y, hairline), pencil.skin)
    pencil.stroke(x[:17], y[:17])  # the chin


def _draw_brows_and_eyes(pencil: _Pencil, rng: np.random.Generator, expression: _Expression) -> None:
    apart, eye_width, arch = rng.uniform(0.31, 0.38), rng.uniform(0.15, 0.19), rng.uniform(0.02, 0.07)
    brow_weight = rng.uniform(0.8, 1.5)
    white, gaze = min(255.0, pencil.skin * rng.uniform(1.1, 1.6)), rng.normal(0.0, 0.03)
    glasses = rng.random() < 0.15
    for side in (-1, 1):
        raised = expression.brow_raise + arch * (1 - _ACROSS**2) + expression.brow_frown * _ACROSS * side
        inner_to_outer = apart + 0.2 * _ACROSS * side
        pencil.stroke(side * inner_to_outer, -0.36 - raised, weight=brow_weight)

        x, lid = side * apart + eye_width * _ACROSS, expression.eye_opening * _BULGE
        pencil.fill(np.append(x, x[::-1]), np.append(-0.1 - lid, (-0.1 + lid)[::-1]), white)
        iris = min(0.085, 0.9 * expression.eye_opening)
        pencil.fill(side * apart + gaze + 0.085 * np.cos(_ANGLES), -0.1 + iris * np.sin(_ANGLES), pencil.line * 0.5)
        pencil.stroke(x, -0.1 - lid, weight=0.8)
        pencil.stroke(x, -0.1 + lid, weight=0.4)
        if glasses:
            pencil.stroke(side * apart + 0.27 * np.cos(_ANGLES), -0.08 + 0.24 * np.sin(_ANGLES), weight=0.5)


def _draw_nose(pencil: _Pencil, expression: _Expression) -> None:
    shadow = pencil.skin * 0.6
    pencil.stroke(np.array([0.02, 0.1, -0.05]), np.array([-0.05, 0.24, 0.27]), shadow, weight=0.7)
    if expression.sneer:
        for height in (-0.12, -0.02):
            pencil.stroke(np.array([-0.09, 0.0, 0.09]), np.array([height, height + 0.04, height]), weight=0.5)
        for side in (-1, 1):
            pencil.stroke(side * np.array([0.14, 0.3, 0.38]), np.array([0.16, 0.3, 0.5]), weight=0.5)


def _draw_mouth(pencil: _Pencil, rng: np.random.Generator, expression: _Expression) -> None:
    x = expression.mouth_width * _ACROSS
    middle = 0.54 + expression.mouth_smile * (0.5 - _ACROSS**2)
    sneering_side, teeth_seen = rng.choice((-0.45, 0.45)), rng.random() < 0.5
    upper = middle - expression.mouth_opening * _BULGE
    upper = upper - expression.sneer * np.exp(-(((_ACROSS - sneering_side) / 0.35) ** 2)) * _BULGE
    lower = middle + expression.mouth_opening * _BULGE
    if expression.mouth_opening > 0.04 or expression.sneer:
        pencil.fill(np.append(x, x[::-1]), np.append(upper, lower[::-1]), pencil.line * 0.4)
    if expression.mouth_opening > 0.04 and teeth_seen:
        teeth = upper + 0.4 * (lower - upper)
        pencil.fill(np.append(x, x[::-1]), np.append(upper, teeth[::-1]), min(255.0, pencil.skin * 1.3))
    pencil.stroke(x, upper)
    pencil.stroke(x, lower)


def _photograph(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Averages the canvas down, lights it from one side, blurs it and adds noise: `[48, 48] uint8`."""
    face = cv2.resize(canvas, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.5)
    y, x = np.mgrid[-1.0 : 1.0 : IMAGE_SIZE * 1j, -1.0 : 1.0 : IMAGE_SIZE * 1j]
    face = face * (1 + strength * (x * np.cos(direction) + y * np.sin(direction)))
    face = 128 + rng.uniform(0.5, 1.1) * (face - 128) + rng.uniform(-30, 30)
    face = cv2.GaussianBlur(face, (0, 0), rng.uniform(0.3, 0.8))
    face = face + rng.normal(0.0, rng.uniform(2, 10), face.shape)
    return np.clip(face, 0, 255).astype(np.uint8)
