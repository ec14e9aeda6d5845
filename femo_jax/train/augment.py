"""Augmentation as pure functions of a key and a batch, run inside the jitted training step.

Images are `[batch, 48, 48, 1] float32` in 0..1; every image of the batch draws its own parameters.
"""

import math
from dataclasses import dataclass
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np

from femo_jax.errors import ConfigError
from femo_jax.train.fields import check_ranges, check_types, known_fields


@known_fields()
@dataclass(frozen=True)
class Augmentation:
    """Strengths of the augmentation; 0 turns a part off."""

    flip: bool = True
    """Mirror half of the images left to right."""
    rotation: float = 10.0
    """Largest rotation to either side, in degrees."""
    scale: float = 0.1
    """Largest relative zoom in or out: 0.1 draws a factor from 1/1.1 to 1.1."""
    translation: float = 3.0
    """Largest shift along each axis, in pixels."""
    brightness: float = 0.1
    """Largest brightness offset, as a share of the full range."""
    contrast: float = 0.2
    """Largest relative change of contrast about the image's mean."""
    blur: float = 0.0
    """Largest standard deviation of a Gaussian blur, in pixels."""
    noise: float = 0.0
    """Largest standard deviation of Gaussian noise, as a share of the full range."""
    erasing: float = 0.0
    """Probability that a rectangle of the image is replaced by a random grey (arXiv:1708.04896)."""
    erasing_area: tuple[float, float] = (0.02, 0.2)
    """Smallest and largest share of the image that is erased."""
    mixup: float = 0.0
    """Alpha of mixup's Beta(alpha, alpha) distribution (arXiv:1710.09412)."""
    cutmix: float = 0.0
    """Alpha of CutMix's Beta(alpha, alpha) distribution (arXiv:1905.04899); with mixup, each takes half the steps."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that does not fit its field."""
        check_types(self)
        unbounded = ("rotation", "scale", "translation", "brightness", "contrast", "blur", "noise", "mixup", "cutmix")
        check_ranges(self, dict.fromkeys(unbounded, (0.0, math.inf)) | {"erasing": (0.0, 1.0)})
        low, high = self.erasing_area
        if not 0.0 <= low <= high <= 1.0:
            raise ConfigError(f"erasing_area is {self.erasing_area}: expected two rising shares from 0 to 1")


def augment(key: jax.Array, images: jax.Array, config: Augmentation) -> jax.Array:
    """All parts but mixup and CutMix, in turn: `[b, 48, 48, 1]` in 0..1 -> the same shape and range."""
    flip_key, affine_key, light_key, erase_key, blur_key, noise_key = jax.random.split(key, 6)
    if config.flip:
        images = random_flip(flip_key, images)
    if config.rotation or config.scale or config.translation:
        images = random_affine(affine_key, images, config.rotation, config.scale, config.translation)
    if config.brightness or config.contrast:
        images = random_light(light_key, images, config.brightness, config.contrast)
    if config.blur:
        images = random_blur(blur_key, images, config.blur)
    if config.noise:
        images = random_noise(noise_key, images, config.noise)
    if config.erasing:
        images = random_erasing(erase_key, images, config.erasing, config.erasing_area)
    return images


def random_flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Mirrors each image left to right with probability 1/2."""
    mirrored = jax.random.bernoulli(key, shape=(images.shape[0], 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def random_affine(key: jax.Array, images: jax.Array, rotation: float, scale: float, translation: float) -> jax.Array:
    """Rotates, zooms and shifts about the image's centre, bilinear, with the border pixels continued outwards.

    Args:
      key: a key for the whole batch.
      images: `[b, h, w, 1] float32`.
      rotation: largest angle to either side, in degrees.
      scale: largest relative zoom; the factor is log-uniform in 1/(1 + scale) .. 1 + scale.
      translation: largest shift along each axis, in pixels.

    Returns:
      `[b, h, w, 1] float32`.
    """
    batch, height, width, _ = images.shape
    angle_key, scale_key, shift_key = jax.random.split(key, 3)
    angle = jax.random.uniform(angle_key, (batch, 1, 1), minval=-1.0, maxval=1.0) * np.deg2rad(rotation)
    zoom = jnp.exp(jax.random.uniform(scale_key, (batch, 1, 1), minval=-1.0, maxval=1.0) * np.log1p(scale))
    shift_y, shift_x = jax.random.uniform(shift_key, (2, batch, 1, 1), minval=-translation, maxval=translation)
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y = jnp.arange(height, dtype=jnp.float32)[None, :, None] - centre_y - shift_y
    x = jnp.arange(width, dtype=jnp.float32)[None, None, :] - centre_x - shift_x
    cos, sin = jnp.cos(angle) / zoom, jnp.sin(angle) / zoom
    return _bilinear(images[..., 0], cos * y - sin * x + centre_y, sin * y + cos * x + centre_x)[..., None]


def _bilinear(images: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    """Samples `images [b, h, w]` at `y, x [b, h', w']`; coordinates outside take the nearest border pixel."""
    batch, height, width = images.shape
    y = jnp.clip(y, 0.0, height - 1.0)
    x = jnp.clip(x, 0.0, width - 1.0)
    top = jnp.minimum(y.astype(jnp.int32), height - 2)
    left = jnp.minimum(x.astype(jnp.int32), width - 2)
    down, right = y - top, x - left
    flat = images.reshape(batch, height * width)

    def pixel(row: jax.Array, column: jax.Array) -> jax.Array:
        index = (row * width + column).reshape(batch, -1)
        return jnp.take_along_axis(flat, index, axis=1, mode="promise_in_bounds").reshape(y.shape)

    above = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right
    below = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right
    return above * (1 - down) + below * down


def random_light(key: jax.Array, images: jax.Array, brightness: float, contrast: float) -> jax.Array:
    """Scales contrast about each image's mean by up to 1 +- contrast, adds up to +- brightness, clips to 0..1."""
    brightness_key, contrast_key = jax.random.split(key)
    shape = (images.shape[0], 1, 1, 1)
    offset = jax.random.uniform(brightness_key, shape, minval=-brightness, maxval=brightness)
    factor = jax.random.uniform(contrast_key, shape, minval=1 - contrast, maxval=1 + contrast)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return jnp.clip((images - mean) * factor + mean + offset, 0.0, 1.0)


BLUR_REACH = 4
"""Pixels to either side that a blur takes in: twice the largest standard deviation that makes sense for 48 pixels."""


def random_blur(key: jax.Array, images: jax.Array, blur: float) -> jax.Array:
    """Blurs each image by a Gaussian whose standard deviation is uniform in 0 .. `blur` pixels, edges continued."""
    sigma = jax.random.uniform(key, (images.shape[0], 1, 1, 1), minval=1e-3, maxval=blur)
    offsets = jnp.arange(-BLUR_REACH, BLUR_REACH + 1)
    weights = jax.nn.softmax(-(offsets**2) / (2 * sigma**2))[..., None]  # [b, 1, 1, offsets, 1]
    for axis in (1, 2):
        padding = [(0, 0)] * 4
        padding[axis] = (BLUR_REACH, BLUR_REACH)
        padded, size = jnp.pad(images, padding, mode="edge"), images.shape[axis]
        views = (jax.lax.slice_in_dim(padded, start, start + size, axis=axis) for start in range(len(offsets)))
        images = reduce(jnp.add, (weights[:, :, :, number] * view for number, view in enumerate(views)))
    return images


def random_noise(key: jax.Array, images: jax.Array, noise: float) -> jax.Array:
    """Adds Gaussian noise whose standard deviation is uniform in 0 .. `noise` for each image; clips to 0..1."""
    deviation_key, noise_key = jax.random.split(key)
    deviation = jax.random.uniform(deviation_key, (images.shape[0], 1, 1, 1), maxval=noise)
    return jnp.clip(images + deviation * jax.random.normal(noise_key, images.shape), 0.0, 1.0)


def random_erasing(key: jax.Array, images: jax.Array, probability: float, area: tuple[float, float]) -> jax.Array:
    """Replaces one rectangle of an image by a random grey (Zhong et al. 2017, arXiv:1708.04896).

    Args:
      key: a key for the whole batch.
      images: `[b, h, w, 1] float32`.
      probability: share of the images that are touched.
      area: smallest and largest share of the image's area; aspect ratios are log-uniform in 1/3 .. 3.

    Returns:
      `[b, h, w, 1] float32`.
    """
    batch, height, width, _ = images.shape
    chosen_key, area_key, aspect_key, place_key, grey_key = jax.random.split(key, 5)
    shape = (batch, 1, 1)
    chosen = jax.random.bernoulli(chosen_key, probability, shape)
    share = jax.random.uniform(area_key, shape, minval=area[0], maxval=area[1])
    aspect = jnp.exp(jax.random.uniform(aspect_key, shape, minval=-np.log(3.0), maxval=np.log(3.0)))
    half_height = jnp.sqrt(share * aspect) * height / 2
    half_width = jnp.sqrt(share / aspect) * width / 2
    centre_y, centre_x = jax.random.uniform(place_key, (2, *shape)) * jnp.array([height, width]).reshape(2, 1, 1, 1)
    y = jnp.arange(height, dtype=jnp.float32)[None, :, None] + 0.5
    x = jnp.arange(width, dtype=jnp.float32)[None, None, :] + 0.5
    inside = (jnp.abs(y - centre_y) < half_height) & (jnp.abs(x - centre_x) < half_width)
    grey = jax.random.uniform(grey_key, (batch, 1, 1, 1))
    return jnp.where((chosen & inside)[..., None], grey, images)


def mix(key: jax.Array, images: jax.Array, config: Augmentation) -> tuple[jax.Array, jax.Array]:
    """Mixes each image with another of the batch, by mixup or CutMix as configured.

    The batch is shuffled already: its reverse is as good a partner as a permutation.

    Returns:
      The mixed images, and the share `[] float32` of each that is its own; the rest is its partner's, the one at its
      place in the reversed batch.
    """
    which_key, key = jax.random.split(key)
    if not config.cutmix:
        return mixup(key, images, config.mixup)
    if not config.mixup:
        return cutmix(key, images, config.cutmix)
    return jax.lax.cond(
        jax.random.bernoulli(which_key),
        lambda: mixup(key, images, config.mixup),
        lambda: cutmix(key, images, config.cutmix),
    )


def mixup(key: jax.Array, images: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    """Blends each image with its partner (Zhang et al. 2017, arXiv:1710.09412).

    Args:
      key: a key for the whole batch, which draws one share.
      images: `[b, h, w, 1] float32`.
      alpha: both parameters of the Beta distribution of the share.

    Returns:
      Blended images of the same shape, and the share of each that is its own.
    """
    share = jax.random.beta(key, alpha, alpha)
    return share * images + (1 - share) * images[::-1], share


def cutmix(key: jax.Array, images: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    """Puts a rectangle of its partner into each image (Yun et al. 2019, arXiv:1905.04899).

    Args:
      key: a key for the whole batch, which draws one rectangle of the image's proportions.
      images: `[b, h, w, 1] float32`.
      alpha: both parameters of the Beta distribution of the rectangle's area.

    Returns:
      Images of the same shape, and the share of each that is its own, counted in pixels.
    """
    _, height, width, _ = images.shape
    area_key, place_key = jax.random.split(key)
    half = jnp.sqrt(jax.random.beta(area_key, alpha, alpha)) / 2
    centre_y, centre_x = jax.random.uniform(place_key, (2,))
    y, x = (jnp.arange(height) + 0.5) / height, (jnp.arange(width) + 0.5) / width
    inside = (jnp.abs(y - centre_y) < half)[:, None] & (jnp.abs(x - centre_x) < half)
    return jnp.where(inside[None, :, :, None], images[::-1], images), 1 - inside.mean()
