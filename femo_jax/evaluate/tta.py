"""Test-time augmentation (TTA): versions of an image over whose probabilities a prediction is averaged."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from femo_jax.errors import ConfigError

TTA = Literal["none", "flip", "ten_crop"]
"""Names of the augmentations: the image alone, with its mirror image, or ten crops."""

CROP = 44
"""Side in pixels of the crops of a 48-pixel image, the choice of most FER-2013 work."""


def none(images: jax.Array) -> jax.Array:
    """The image alone: `[b, h, w, 1] uint8` -> `[1, b, h, w, 1] float32` in 0..1."""
    return (images.astype(jnp.float32) / 255.0)[None]


def flip(images: jax.Array) -> jax.Array:
    """The image and its mirror image: `[b, h, w, 1] uint8` -> `[2, b, h, w, 1] float32` in 0..1."""
    return _with_mirrored(none(images))


def ten_crop(images: jax.Array) -> jax.Array:
    """Four corners, centre, and the mirror images of the five: `[b, h, w, 1] uint8` -> `[10, b, h, w, 1] float32`.

    The crops are enlarged to the size of the image, since a network may accept that size alone.

    References:
      Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1.
    """
    originals = none(images)[0]
    _, height, width, _ = originals.shape
    low, right = height - CROP, width - CROP
    corners = ((0, 0), (0, right), (low, 0), (low, right), (low // 2, right // 2))
    crops = jnp.stack([originals[:, y : y + CROP, x : x + CROP] for y, x in corners])
    return _with_mirrored(jax.image.resize(crops, (len(corners), *originals.shape), "bilinear"))


def _with_mirrored(versions: jax.Array) -> jax.Array:
    return jnp.concatenate([versions, versions[:, :, :, ::-1]])


_FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {"none": none, "flip": flip, "ten_crop": ten_crop}


def tta_function(name: str) -> Callable[[jax.Array], jax.Array]:
    """The function of a name: `[b, 48, 48, 1] uint8` -> `[versions, b, 48, 48, 1] float32` in 0..1, to be jitted.

    Args:
      name: one of `TTA`.

    Raises:
      ConfigError: there is no such name.
    """
    if name not in _FUNCTIONS:
        raise ConfigError(f"unknown test-time augmentation {name!r}; choose one of {', '.join(_FUNCTIONS)}")
    return _FUNCTIONS[name]
