"""Integrated Gradients: what each pixel adds to a logit (Sundararajan et al. 2017, arXiv:1703.01365)."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from femo_jax.explain.layers import Logits

_AT_ONCE = 32
"""Points of the path that are computed together: more are no faster on a CPU, and need more memory."""


class Attribution(NamedTuple):
    """What each pixel adds to a logit.

    Attributes:
      pixels: `[h, w] float32`, in units of the logit; negative where a pixel speaks against the class.
      logit: of the image, `[] float32`.
      baseline_logit: of the baseline, `[] float32`.
      gap: by how much the sum of the pixels misses `logit - baseline_logit`, `[] float32`. With infinitely many steps
        it would be 0: the method's axiom of completeness.
    """

    pixels: jax.Array
    logit: jax.Array
    baseline_logit: jax.Array
    gap: jax.Array


@partial(jax.jit, static_argnames="steps")
def integrated_gradients(
    logits: Logits, image: jax.Array, baseline: jax.Array, target: jax.Array | int, steps: int
) -> Attribution:
    """The gradients of a logit along the straight path from a baseline to an image, times the way of each pixel.

    The integral is the mean over the middles of `steps` equal parts of the path.

    Args:
      logits: the network, before the softmax.
      image: `[h, w, 1] float32`, normalised.
      baseline: `[h, w, 1] float32`, normalised: an image that stands for nothing to be seen.
      target: the class, an integer.
      steps: at least 1.
    """
    batches = -(-steps // _AT_ONCE)
    size = -(-steps // batches)
    numbers = jnp.arange(batches * size).reshape(batches, size)
    way = image - baseline

    def score(images: jax.Array) -> jax.Array:
        return logits(images)[:, target]

    def add(total: jax.Array, numbers: jax.Array) -> tuple[jax.Array, None]:
        images = baseline + ((numbers + 0.5) / steps)[:, None, None, None] * way
        gradients = jax.grad(lambda images: score(images).sum())(images)
        # The last batch is filled up with points behind the image, which do not count.
        return total + jnp.where((numbers < steps)[:, None, None, None], gradients, 0).sum(axis=0), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(image), numbers)
    pixels = (way * total / steps).sum(axis=-1)
    logit, baseline_logit = score(jnp.stack([image, baseline]))
    return Attribution(pixels, logit, baseline_logit, pixels.sum() - (logit - baseline_logit))
