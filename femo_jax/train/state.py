"""What a training step takes and returns: `TrainState`, one pytree that is saved and restored as a whole.

With it, the metrics that it holds, and initialisation of FemoNet's first layer from training images.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from flax.training import train_state
from jax.core import Tracer

from femo_jax.compilation import HASTY, compile_for_cpu
from femo_jax.models.layers import space_to_depth2
from femo_jax.preprocess import IMAGE_SIZE, normalize

NEVER = np.iinfo(np.int32).max
"""`first_bad_step` of a run whose loss was finite throughout."""


class Metrics(struct.PyTreeNode):
    """Sums over images and steps; every field is a scalar array.

    Attributes:
      loss: sum over images of the loss, float32.
      weight: sum over images of their weight in the loss, float32.
      correct: images whose highest logit is their label's, int32.
      count: images, int32.
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
    def of_images(cls, losses: jax.Array, weights: jax.Array, correct: jax.Array, mask: jax.Array) -> "Metrics":
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


class TrainState(train_state.TrainState):
    """Flax's TrainState (step, params, opt_state, apply_fn, tx) and what femo adds.

    Attributes:
      batch_stats: running mean and variance of the BatchNorm layers.
      ema: exponential moving average of `{"params", "batch_stats"}`, which is evaluated and exported.
      answers: `[n, c] float32` running mean of the network's predicted probabilities for each training image,
        for self-distillation; None without. Checkpoints have it under this name.
      metrics: sums over the steps of the current epoch.
    """

    batch_stats: Any
    ema: Any
    answers: jax.Array | None
    metrics: Metrics

    @property
    def variables(self) -> dict[str, Any]:
        """The current weights as `apply_fn` takes them."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def create_train_state(
    key: jax.Array, model: nn.Module, tx: optax.GradientTransformation, answers: np.ndarray | None = None
) -> TrainState:
    """A state at step 0 with weights drawn from `key`; `answers` are the first predictions for self-distillation."""
    images = jnp.zeros((1, IMAGE_SIZE, IMAGE_SIZE, 1), jnp.float32)
    initialise = jax.jit(partial(model.init, train=False))
    if not isinstance(key, Tracer):  # which it is under `jax.eval_shape`: nothing is compiled there
        initialise = compile_for_cpu(initialise.lower(key, images), HASTY)
    variables = initialise(key, images)
    batch_stats = variables.get("batch_stats", {})  # a network without BatchNorm has none
    # Copies: the step gives its old state's memory away, and one buffer cannot be given twice.
    ema = jax.tree.map(jnp.copy, {"params": variables["params"], "batch_stats": batch_stats})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        apply_fn=model.apply,
        params=variables["params"],
        tx=tx,
        opt_state=tx.init(variables["params"]),
        batch_stats=batch_stats,
        ema=ema,
        answers=None if answers is None else jnp.asarray(answers),
        metrics=Metrics.zeros(),
    )


FIRST_KERNEL = ("Conv_0", "kernel")
"""Of FemoNet, behind its space-to-depth stem."""

_IMAGES = 2_000  # a million patches, enough to estimate 36 components
_LEAST_VARIANCE = 5e-4  # added, so that components which are mostly noise are not amplified


def whiten_first_layer(state: TrainState, images: np.ndarray) -> TrainState:
    """A state whose first kernel whitens image patches, with both signs of each component (arXiv:2404.00498).

    Args:
      state: at step 0.
      images: `[n, 48, 48, 1] uint8` training images; of more than 4,000, about 2,000 are used, evenly spaced.
    """
    module, name = FIRST_KERNEL
    old: dict[str, Any] = dict(state.params)
    layer = old[module]
    params = {**old, module: {**layer, name: whitening_kernel(layer[name], images)}}
    return state.replace(params=params, ema={**state.ema, "params": jax.tree.map(jnp.copy, params)})


def whitening_kernel(kernel: jax.Array, images: np.ndarray) -> jax.Array:
    """The kernel `[3, 3, 4, outputs]` with the principal components of image patches as its first outputs.

    The components of the largest variance come first, each divided by its standard deviation, then all of them again
    with the other sign, since ReLU lets only one pass. Outputs beyond twice the number of components are unchanged.
    """
    height, width, channels, outputs = kernel.shape
    every = max(1, len(images) // _IMAGES)
    x = np.asarray(space_to_depth2(normalize(jnp.asarray(images[::every]))), np.float32)
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
    patches = np.concatenate(shifted, axis=-1).reshape(-1, height * width * channels)
    variances, components = np.linalg.eigh(patches.T @ patches / len(patches))
    count = min(outputs // 2, len(variances))
    filters = (components / np.sqrt(variances + _LEAST_VARIANCE))[:, ::-1][:, :count]
    whitened = np.concatenate([filters, -filters], axis=1).reshape(height, width, channels, 2 * count)
    return kernel.at[..., : 2 * count].set(whitened)
