"""Cross entropy against soft targets, with label smoothing and class weights."""

import jax
import jax.numpy as jnp
import numpy as np

from femo_jax.emotions import NUM_EMOTIONS


def smooth_targets(labels: jax.Array, smoothing: float) -> jax.Array:
    """Label smoothing (Szegedy et al. 2015, arXiv:1512.00567): `[b] int32` -> `[b, 7] float32` rows that sum to 1."""
    return jax.nn.one_hot(labels, NUM_EMOTIONS) * (1.0 - smoothing) + smoothing / NUM_EMOTIONS


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross entropy of each picture in nats: `logits`, `targets [b, 7]` -> `[b] float32`."""
    return -jnp.sum(targets * jax.nn.log_softmax(logits.astype(jnp.float32)), axis=-1)


def balanced_class_weights(labels: np.ndarray) -> np.ndarray:
    """Weights inverse to the class counts, with mean 1 over the pictures: `[n] int32` -> `[7] float32`.

    A class without pictures weighs 0.
    """
    counts = np.bincount(labels, minlength=NUM_EMOTIONS)
    present = counts > 0
    weights = np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)
    return weights.astype(np.float32)
