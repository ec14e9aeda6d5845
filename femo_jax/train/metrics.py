"""Sums over batches that merge and divide at the end, so that batches of unequal size average rightly."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

NEVER = np.iinfo(np.int32).max
"""`first_bad_step` of a run whose loss was finite throughout."""


class Metrics(struct.PyTreeNode):
    """Sums over pictures and steps; every field is a scalar array.

    Attributes:
      loss: sum over pictures of the loss, float32.
      weight: sum over pictures of their weight in the loss, float32.
      correct: pictures whose highest logit is their label's, int32.
      count: pictures, int32.
      gradient_norm: sum over steps of the gradient's global norm before clipping, float32.
      update_norm: sum over steps of the global norm of the change to the weights, float32.
      steps: optimiser steps, int32.
      first_bad_step: the first step whose loss or gradient was not finite, else `NEVER`, int32.
    """

    loss: jax.Array
    weight: jax.Array
    correct: jax.Array
    count: jax.Array
    gradient_norm: jax.Array
    update_norm: jax.Array
    steps: jax.Array
    first_bad_step: jax.Array

    @classmethod
    def zeros(cls) -> "Metrics":
        """The sums over nothing."""
        return cls(
            loss=jnp.zeros((), jnp.float32),
            weight=jnp.zeros((), jnp.float32),
            correct=jnp.zeros((), jnp.int32),
            count=jnp.zeros((), jnp.int32),
            gradient_norm=jnp.zeros((), jnp.float32),
            update_norm=jnp.zeros((), jnp.float32),
            steps=jnp.zeros((), jnp.int32),
            first_bad_step=jnp.full((), NEVER, jnp.int32),
        )

    @classmethod
    def of_pictures(cls, losses: jax.Array, weights: jax.Array, correct: jax.Array, mask: jax.Array) -> "Metrics":
        """Sums over one batch: `losses`, `weights [b] float32`, `correct`, `mask [b] bool` (false: not counted)."""
        return cls.zeros().replace(
            loss=jnp.sum(losses * weights * mask),
            weight=jnp.sum(weights * mask),
            correct=jnp.sum(correct & mask, dtype=jnp.int32),
            count=jnp.sum(mask, dtype=jnp.int32),
        )

    def merge(self, other: "Metrics") -> "Metrics":
        """The sums over both."""
        added = jax.tree.map(jnp.add, self, other)
        return added.replace(first_bad_step=jnp.minimum(self.first_bad_step, other.first_bad_step))

    def compute(self) -> dict[str, float]:
        """Means as Python floats: loss and accuracy, and the norms where steps were taken."""
        sums = jax.device_get(self)
        means = {"loss": float(sums.loss / sums.weight), "accuracy": float(sums.correct / sums.count)}
        if sums.steps:
            means["gradient_norm"] = float(sums.gradient_norm / sums.steps)
            means["update_norm"] = float(sums.update_norm / sums.steps)
        return means
