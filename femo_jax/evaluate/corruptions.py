"""Corruptions of face images as a camera produces them, to measure how much accuracy a model loses.

The idea, and half of the kinds, are of Hendrycks & Dietterich; crops that are off and covered parts are what a face
detector and the world add. An image has no surroundings here: what a crop takes from outside repeats its edge, as
`femo_jax.live.image` does at the edge of a frame.

References:
  Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, 2019,
  https://arxiv.org/abs/1903.12261
"""

import math
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Images `[n, height, width, 1] uint8` and a source of randomness -> as many images of the same form."""

SEED = 0
"""From which all randomness comes, so that every model sees the same images."""

_GREY = 128
_EYES, _MOUTH = (0.30, 0.52, 0.10, 0.90), (0.66, 0.94, 0.22, 0.78)
"""Top, bottom, left and right of what covers them, as fractions of FER-2013's images."""


def corrupt(name: str, images: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Corrupts images; the same name, images and seed give the same, whatever was corrupted before.

    Args:
      name: one of `CORRUPTIONS`.
      images: `[n, 48, 48, 1] uint8`.
      seed: of the randomness.

    Returns:
      `[n, 48, 48, 1] uint8`; `images` stay as they are.
    """
    return CORRUPTIONS[name](images, np.random.default_rng([seed, zlib.crc32(_SEED_NAMES.get(name, name).encode())]))


def _of_each(change: Callable[..., np.ndarray], **options: Any) -> Corruption:
    """A corruption from a change of one image: `[h, w] uint8` and a generator -> `[h, w]`, rounded to uint8."""

    def corruption(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        changed = np.empty_like(images)
        for before, after in zip(images, changed, strict=True):
            after[..., 0] = _to_uint8(change(before[..., 0], rng, **options))
        return changed

    return corruption


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return values if values.dtype == np.uint8 else np.clip(np.rint(values), 0, 255).astype(np.uint8)


# Where the face lies in the image


def _crop(image: np.ndarray, _: np.random.Generator, *, scale: float) -> np.ndarray:
    """What a crop of `scale` times the side shows."""
    return _warped(image, scale=scale)


def _shift(image: np.ndarray, rng: np.random.Generator, *, fraction: float) -> np.ndarray:
    """A crop that is off by a fraction of its side, in a random direction."""
    angle = rng.uniform(0, 2 * math.pi)
    return _warped(image, offset=(fraction * math.cos(angle), fraction * math.sin(angle)))


def _rotate(image: np.ndarray, rng: np.random.Generator, *, degrees: float) -> np.ndarray:
    """Tilted to the left or to the right."""
    return _warped(image, degrees=degrees * rng.choice((-1, 1)))


def _warped(
    image: np.ndarray,
    scale: float = 1.0,
    degrees: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
    border: int = cv2.BORDER_REPLICATE,
) -> np.ndarray:
    """A square of `scale` times the image, turned about its middle and off by fractions of the side (x, y)."""
    height, width = image.shape
    centre = (width - 1) / 2, (height - 1) / 2
    to_source = cv2.getRotationMatrix2D(centre, degrees, scale)
    to_source[:, 2] += offset[0] * width, offset[1] * height
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, to_source, (width, height), flags=flags, borderMode=border)


# Light


def _gain(images: np.ndarray, _: np.random.Generator, *, factor: float) -> np.ndarray:
    """Less or more light, in whole grey values: a dark image has few of them left, a bright one is burnt out."""
    return _to_uint8(images.astype(np.float32) * factor)


def _low_contrast(images: np.ndarray, _: np.random.Generator, *, factor: float) -> np.ndarray:
    """Nearer to the mean grey of each image."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return _to_uint8(mean + factor * (images - mean))


# Lens, sensor, transmission


def _gaussian_blur(image: np.ndarray, _: np.random.Generator, *, sigma: float) -> np.ndarray:
    """Out of focus by `sigma` pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _motion_blur(image: np.ndarray, rng: np.random.Generator, *, length: int) -> np.ndarray:
    """Motion by `length` (odd) pixels in a random direction during the exposure."""
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    line = _warped(line, degrees=rng.uniform(0, 180), border=cv2.BORDER_CONSTANT)  # black outside
    return cv2.filter2D(image, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE)


def _noise(images: np.ndarray, rng: np.random.Generator, *, deviation: float) -> np.ndarray:
    """Gaussian noise of a standard deviation in grey values."""
    return _to_uint8(images + rng.normal(0, deviation, images.shape))


def _jpeg(image: np.ndarray, _: np.random.Generator, *, quality: int) -> np.ndarray:
    """Compressed."""
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))


def _low_resolution(image: np.ndarray, _: np.random.Generator, *, side: int) -> np.ndarray:
    """A face of `side` pixels in the frame, enlarged as femo enlarges one."""
    height, width = image.shape
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


# Covered parts


def _cover(images: np.ndarray, _: np.random.Generator, *, part: tuple[float, float, float, float]) -> np.ndarray:
    """Grey from top to bottom and from left to right, as fractions."""
    height, width = images.shape[1:3]
    top, bottom, left, right = (round(side * at) for side, at in zip((height, height, width, width), part, strict=True))
    covered = images.copy()
    covered[:, top:bottom, left:right] = _GREY
    return covered


def _cover_quarter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey over a square of half the side, anywhere."""
    height, width = image.shape
    top, left = rng.integers(0, height // 2 + 1), rng.integers(0, width // 2 + 1)
    covered = image.copy()
    covered[top : top + height // 2, left : left + width // 2] = _GREY
    return covered


CORRUPTIONS: Mapping[str, Corruption] = {
    "shifted 10 %": _of_each(_shift, fraction=0.1),
    "shifted 20 %": _of_each(_shift, fraction=0.2),
    "crop 10 % larger": _of_each(_crop, scale=1.1),
    "crop 10 % smaller": _of_each(_crop, scale=0.9),
    "rotated 10 degrees": _of_each(_rotate, degrees=10),
    "rotated 20 degrees": _of_each(_rotate, degrees=20),
    "darker x0.5": partial(_gain, factor=0.5),
    "darker x0.25": partial(_gain, factor=0.25),
    "brighter x1.25": partial(_gain, factor=1.25),
    "brighter x1.5": partial(_gain, factor=1.5),
    "low contrast x0.5": partial(_low_contrast, factor=0.5),
    "low contrast x0.25": partial(_low_contrast, factor=0.25),
    "defocus, sigma 1": _of_each(_gaussian_blur, sigma=1),
    "defocus, sigma 2": _of_each(_gaussian_blur, sigma=2),
    "motion blur, 5 px": _of_each(_motion_blur, length=5),
    "motion blur, 9 px": _of_each(_motion_blur, length=9),
    "noise, sigma 8": partial(_noise, deviation=8),
    "noise, sigma 20": partial(_noise, deviation=20),
    "JPEG, quality 30": _of_each(_jpeg, quality=30),
    "resolution 24 px": _of_each(_low_resolution, side=24),
    "resolution 16 px": _of_each(_low_resolution, side=16),
    "mouth covered": partial(_cover, part=_MOUTH),
    "eyes covered": partial(_cover, part=_EYES),
    "quarter covered": _of_each(_cover_quarter),
}
"""By name, in the order of the table: crop, light, lens and sensor, covered parts."""

FORMER_NAMES: Mapping[str, str] = {
    "blurred, sigma 1": "defocus, sigma 1",
    "blurred, sigma 2": "defocus, sigma 2",
    "moved 5 pixels": "motion blur, 5 px",
    "moved 9 pixels": "motion blur, 9 px",
    "noise of 8": "noise, sigma 8",
    "noise of 20": "noise, sigma 20",
    "jpeg, quality 30": "JPEG, quality 30",
    "24 x 24 pixels": "resolution 24 px",
    "16 x 16 pixels": "resolution 16 px",
    "a quarter covered": "quarter covered",
}
"""Names by those in reports of femo 0.1."""

# The randomness is seeded by the former names, so that results stay the same.
_SEED_NAMES = {name: former for former, name in FORMER_NAMES.items()}
