"""A frame or still as all stages of recognition take it: checked pixels, boxes in its coordinates, and face crops."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from femo_jax.preprocess import IMAGE_SIZE

_CHANNELS = (1, 3, 4)
_TAKEN = (
    "An image is a numpy array [height, width] of grey, or [height, width, channels] of grey (1), BGR (3) or BGRA (4),"
    " in uint8, in uint16 up to 65535, or in float from 0 to 1."
)

SAME_OVERLAP = 0.5
"""Intersection over union above which two boxes hold the same face."""

INSIDE = 0.8
"""Part of a box's area inside another box from which on they hold the same face."""


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


_EYES_APART = 0.15
"""Distance of the eyes, as a multiple of a face's `size`, below which their line says nothing. From the front: 0.39."""


class DetectedFace(Box):
    """A face as a detector found it. It is its box, with what else the detector gives as attributes.

    Attributes:
      score: how certain the detector is, 0..1; None where it does not say.
      landmarks: `[5, 2] float64`, columns and rows in pixels of the frame: the person's right eye, left eye, tip of the
        nose, right and left corner of the mouth; None where the detector gives none.
    """

    score: float | None = None
    landmarks: np.ndarray | None = None

    @classmethod
    def of(cls, box: Box, score: float | None = None, landmarks: np.ndarray | None = None) -> "DetectedFace":
        """Add what the detector gives to a box."""
        face = cls(*box)
        face.score, face.landmarks = score, landmarks
        return face

    @property
    def roll(self) -> float:
        """How far the line through the eyes is turned from the horizontal, in radians, clockwise in the frame.

        0.0 without landmarks, and where the eyes are so close together, as in a profile, that they do not tell.
        """
        if self.landmarks is None:
            return 0.0
        dx, dy = self.landmarks[1] - self.landmarks[0]
        return math.atan2(dy, dx) if math.hypot(dx, dy) >= _EYES_APART * self.size else 0.0


def overlaps(first: Sequence[Box], second: Sequence[Box]) -> np.ndarray:
    """Intersection over union of all pairs: boxes [n], [m] -> `[n, m] float64` in 0..1; 0 for boxes without area."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    x, y, w, h = np.array(first, np.float64).T[..., None]
    other_x, other_y, other_w, other_h = np.array(second, np.float64).T[:, None]
    wide = np.minimum(x + w, other_x + other_w) - np.maximum(x, other_x)
    high = np.minimum(y + h, other_y + other_h) - np.maximum(y, other_y)
    intersection = np.maximum(wide, 0) * np.maximum(high, 0)
    union = w * h + other_w * other_h - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


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


class InputImage:
    """A valid image; each of its forms is made when it is first asked for, and then kept.

    A contiguous uint8 image is used as it is, without a copy: do not change the array while the image is in use.

    Attributes:
      width: in pixels.
      height: in pixels.
    """

    def __init__(self, image: np.ndarray) -> None:
        """Checks an image.

        Args:
          image: `[h, w]` or `[h, w, 1]` grey, `[h, w, 3]` BGR or `[h, w, 4]` BGRA, whose alpha is left out; uint8,
            uint16 in 0..65535 or float in 0..1; contiguous or not.

        Raises:
          ValueError: it is none of these, or it is empty, or holds NaN or infinity, or floats outside 0..1.
        """
        _check_form(image)
        _check_values(image)
        self.height, self.width = image.shape[:2]
        self._image = image[..., 0] if image.shape[2:] == (1,) else image

    @classmethod
    def of(cls, image: "np.ndarray | InputImage") -> "InputImage":
        """An image that may have been checked already.

        Raises:
          ValueError: the image is not valid.
        """
        return image if isinstance(image, InputImage) else cls(image)

    @property
    def box(self) -> Box:
        """All of the image."""
        return Box(0, 0, self.width, self.height)

    @cached_property
    def grey(self) -> np.ndarray:
        """The luminance (ITU-R BT.601), `[h, w] uint8`, contiguous and read-only."""
        image = self._bytes
        if image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY)
        return _read_only(image)

    @cached_property
    def bgr(self) -> np.ndarray:
        """The colours, `[h, w, 3] uint8` BGR, contiguous and read-only: draw on a copy."""
        image = self._bytes
        if image.ndim == 2 or image.shape[2] == 4:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_BGRA2BGR)
        return _read_only(image)

    @cached_property
    def _bytes(self) -> np.ndarray:
        """All channels as contiguous uint8."""
        image = np.ascontiguousarray(self._image)
        if image.dtype == np.uint8:
            return image
        if image.dtype.kind == "u":
            # OpenCV takes the bytes of the machine's own order alone; 65535 / 257 is 255.
            return cv2.convertScaleAbs(image.astype(np.uint16, copy=False), alpha=1 / 257)
        return cv2.convertScaleAbs(image.astype(np.float32, copy=False), alpha=255)


def _check_form(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise ValueError(f"not a numpy array but {type(image).__name__}. {_TAKEN}")
    if not (image.dtype.kind == "f" or (image.dtype.kind == "u" and image.dtype.itemsize <= 2)):
        raise ValueError(f"an image of dtype {image.dtype}. {_TAKEN}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in _CHANNELS):
        raise ValueError(f"an image of shape {list(image.shape)}. {_TAKEN}")
    if image.size == 0:
        raise ValueError(f"an empty image of shape {list(image.shape)}. {_TAKEN}")


def _check_values(image: np.ndarray) -> None:
    """Refuses floats that are no grey values, by the smallest and the largest: NaN counts as either."""
    if image.dtype.kind != "f":
        return
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("an image with NaN or infinity. Its values must be finite.")
    if low < 0 or high > 1:
        raise ValueError(
            f"a float image with values from {low:g} to {high:g}, expected 0 to 1. Divide by the value of white,"
            " or give uint8."
        )


def _read_only(image: np.ndarray) -> np.ndarray:
    view = image.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class CropGeometry:
    """Where the square that FER-2013 would show lies about a detector's box.

    Attributes:
      scale: side of the square, as a multiple of the box's `size`.
      shift: by how much the square's centre lies below the box's, as a fraction of the box's height.
    """

    scale: float
    shift: float


WHOLE_IMAGE = CropGeometry(scale=1.0, shift=0.0)
"""Geometry of boxes that are all of an image that shows nothing but a face."""


def crop_faces(grey: np.ndarray, boxes: Sequence[Box], geometry: CropGeometry, size: int = IMAGE_SIZE) -> np.ndarray:
    """Cuts out each face as a square and resamples it, to a fraction of a pixel of the frame.

    The square of a face with landmarks is turned until the eyes are level. A pixel of the crop is the mean of the area
    that it covers, so that large faces do not alias. Where the square leaves the frame, its border is repeated.

    Args:
      grey: the frame, `[height, width] uint8`.
      boxes: the faces, in pixels of the frame; of a `DetectedFace`, its landmarks count.
      geometry: of the detector that found them.
      size: height and width of a crop, in pixels.

    Returns:
      `[boxes, size, size] uint8`.
    """
    crops = np.empty((len(boxes), size, size), np.uint8)
    for crop, box in zip(crops, boxes, strict=True):
        roll = box.roll if isinstance(box, DetectedFace) else 0.0
        x, y = box.center
        x, y = x - math.sin(roll) * geometry.shift * box.h, y + math.cos(roll) * geometry.shift * box.h
        crop[:] = cut_square(grey, x, y, geometry.scale * box.size, size, roll)
    return crops


def crop_contrast(crops: np.ndarray) -> np.ndarray:
    """Standard deviation of the grey levels of face crops: `[n, h, w] uint8` -> `[n] float64`, 0 to 127.5."""
    return crops.std(axis=(1, 2), dtype=np.float64)


def cut_square(image: np.ndarray, x: float, y: float, side: float, size: int, roll: float = 0.0) -> np.ndarray:
    """A square of an image, resampled: bilinearly a whole number of times per pixel, densely enough, then averaged.

    Args:
      image: `[height, width]` or `[height, width, channels]`, uint8.
      x: column of the square's centre, in pixels of the image.
      y: its row.
      side: of the square, in pixels of the image.
      size: height and width of the result, in pixels.
      roll: by how much the square is turned about its centre, in radians, clockwise in the image.

    Returns:
      `[size, size]` or `[size, size, channels]`, uint8; border pixels are repeated outside the image.
    """
    cos, sin = math.cos(roll), math.sin(roll)
    width = side * (abs(cos) + abs(sin))  # of the upright square about the turned one
    columns, rows = _covered(x - width / 2, width, image.shape[1]), _covered(y - width / 2, width, image.shape[0])
    samples = max(1, math.ceil(side / size))
    step = side / (size * samples)
    # The middle of a pixel lies half a pixel from its edge, in the result as in the image.
    corner = step / 2 - side / 2
    first_x = x - side / 2 - columns.start + step / 2 - 0.5 + (cos - 1) * corner - sin * corner
    first_y = y - side / 2 - rows.start + step / 2 - 0.5 + sin * corner + (cos - 1) * corner
    sampled = cv2.warpAffine(
        image[rows, columns],
        np.array([[step * cos, -step * sin, first_x], [step * sin, step * cos, first_y]]),
        (size * samples, size * samples),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(sampled, (size, size), interpolation=cv2.INTER_AREA)


def _covered(start: float, length: float, limit: int) -> slice:
    """The pixels of the frame that a side of the square touches, and at least one."""
    first = min(max(math.floor(start) - 1, 0), limit - 1)
    last = min(max(math.ceil(start + length) + 1, first + 1), limit)
    return slice(first, last)
