"""Test-time views: several versions of a picture, over whose probabilities a prediction averages."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from femo_jax.errors import ConfigError

ViewsName = Literal["one", "flip", "ten"]

CROP = 44
"""Side in pixels of a ten-crop view of a 48-pixel picture, the choice of most FER-2013 work."""


def one(images: jax.Array) -> jax.Array:
    """The picture alone: `[b, h, w, 1] uint8` -> `[1, b, h, w, 1] float32` in 0..1."""
    return (images.astype(jnp.float32) / 255.0)[None]


def flip(images: jax.Array) -> jax.Array:
    """The picture and its mirror image: `[b, h, w, 1] uint8` -> `[2, b, h, w, 1] float32` in 0..1."""
    return _with_mirrored(one(images))


def ten(images: jax.Array) -> jax.Array:
    """Four corners, centre, and the mirror images of the five: `[b, h, w, 1] uint8` -> `[10, b, h, w, 1] float32`.

    The crops are enlarged to the size of the picture, since a network may take that size alone.

    References:
      Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1.
    """
    pictures = one(images)[0]
    _, height, width, _ = pictures.shape
    low, right = height - CROP, width - CROP
    corners = ((0, 0), (0, right), (low, 0), (low, right), (low // 2, right // 2))
    crops = jnp.stack([pictures[:, y : y + CROP, x : x + CROP] for y, x in corners])
    return _with_mirrored(jax.image.resize(crops, (len(corners), *pictures.shape), "bilinear"))


def _with_mirrored(views: jax.Array) -> jax.Array:
    return jnp.concatenate([views, views[:, :, :, ::-1]])


_VIEWS: dict[str, Callable[[jax.Array], jax.Array]] = {"one": one, "flip": flip, "ten": ten}


def views_function(name: str) -> Callable[[jax.Array], jax.Array]:
    """The function of a name: `[b, 48, 48, 1] uint8` -> `[views, b, 48, 48, 1] float32` in 0..1, to be jitted.

    Raises:
      ConfigError: there is no such name.
    """
    if name not in _VIEWS:
        raise ConfigError(f"unknown views {name!r}; expected one of {', '.join(_VIEWS)}")
    return _VIEWS[name]
