"""Class probabilities of many images, each of which counts exactly once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from femo_jax.errors import DivergenceError
from femo_jax.evaluate.tta import tta_function
from femo_jax.model_file import class_probabilities


def predict_probabilities(
    apply_logits: Callable[[jax.Array], jax.Array], images: np.ndarray, batch_size: int = 256, tta: str = "none"
) -> np.ndarray:
    """The softmax of a network's logits, averaged over test-time augmentation.

    All batches have one shape, so that the network is compiled once: the last one is padded with blank
    images, whose rows are cut off again.

    Args:
      apply_logits: `[b, 48, 48, 1] float32` in 0..1 -> logits `[b, c]`, as `femo_jax.model_file.logits_function`
        gives it; pass a `jax.tree_util.Partial` to keep weights out of the compiled code.
      images: `[n, 48, 48, 1] uint8`.
      batch_size: images computed at a time.
      tta: a name of `femo_jax.evaluate.tta.tta_function`.

    Returns:
      `[n, c] float32`, in the order of `images`.

    Raises:
      ConfigError: there is no such augmentation.
      DivergenceError: the network returns NaN or infinity.
    """
    augment = jax.jit(tta_function(tta))
    if not isinstance(apply_logits, Partial):
        apply_logits = Partial(apply_logits)
    n = len(images)
    batch_size = max(1, min(batch_size, n))
    parts = []
    for start in range(0, n, batch_size):
        batch = images[start : start + batch_size]
        padding = batch_size - len(batch)
        padded = np.pad(batch, ((0, padding), (0, 0), (0, 0), (0, 0)))
        # One version after the other: the memory of one batch whatever their number.
        of_versions = [_softmax(apply_logits, version) for version in augment(padded)]
        parts.append(np.mean(of_versions, axis=0)[: len(batch)])
    if not parts:
        one = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
        return np.empty((0, jax.eval_shape(apply_logits, one).shape[-1]), np.float32)
    probabilities = np.concatenate(parts).astype(np.float32, copy=False)
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities).all(axis=1)).sum())
        raise DivergenceError(
            f"the network returns NaN or infinity for {bad:,} of {n:,} images: its weights are unusable."
            " Use a checkpoint from before the run diverged."
        )
    return probabilities


@jax.jit
def _softmax(apply_logits: Partial, images: jax.Array) -> jax.Array:
    return class_probabilities(apply_logits(images).astype(jnp.float32))
