"""From a detector's boxes to squares of grey that look like FER-2013's faces."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from femo_jax.live.boxes import Box
from femo_jax.preprocess import IMAGE_SIZE


@dataclass(frozen=True)
class CropGeometry:
    """Where the square that FER-2013 would show lies about a detector's box.

    Attributes:
      scale: side of the square, as a multiple of the box's `size`.
      shift: by how much the square's centre lies below the box's, as a fraction of the box's height.
    """

    scale: float
    shift: float


WHOLE = CropGeometry(scale=1.0, shift=0.0)
"""Of boxes that are the whole of a picture of nothing but a face."""


def crop_faces(grey: np.ndarray, boxes: Sequence[Box], geometry: CropGeometry, size: int = IMAGE_SIZE) -> np.ndarray:
    """Cuts out each face as a square and resamples it, to a fraction of a pixel of the frame.

    A pixel of the crop is the mean of the area that it covers, so that large faces do not alias. Where the square
    leaves the frame, the pixels of the frame's border are repeated.

    Args:
      grey: the frame, `[height, width] uint8`.
      boxes: the faces, in pixels of the frame.
      geometry: of the detector that found them.
      size: height and width of a crop, in pixels.

    Returns:
      `[boxes, size, size] uint8`.
    """
    crops = np.empty((len(boxes), size, size), np.uint8)
    for crop, box in zip(crops, boxes, strict=True):
        x, y = box.center
        crop[:] = cut_square(grey, x, y + geometry.shift * box.h, geometry.scale * box.size, size)
    return crops


def cut_square(image: np.ndarray, x: float, y: float, side: float, size: int) -> np.ndarray:
    """A square of an image, resampled: bilinearly a whole number of times per pixel, densely enough, then averaged.

    Args:
      image: `[height, width]` or `[height, width, channels]`, uint8.
      x: column of the square's centre, in pixels of the image.
      y: its row.
      side: of the square, in pixels of the image.
      size: height and width of the result, in pixels.

    Returns:
      `[size, size]` or `[size, size, channels]`, uint8; border pixels are repeated outside the image.
    """
    left, top = x - side / 2, y - side / 2
    columns, rows = _covered(left, side, image.shape[1]), _covered(top, side, image.shape[0])
    samples = max(1, math.ceil(side / size))
    step = side / (size * samples)
    # The middle of a pixel lies half a pixel from its edge, in the result as in the image.
    first_x, first_y = left - columns.start + step / 2 - 0.5, top - rows.start + step / 2 - 0.5
    sampled = cv2.warpAffine(
        image[rows, columns],
        np.array([[step, 0.0, first_x], [0.0, step, first_y]]),
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
