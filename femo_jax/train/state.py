"""What a training step takes and gives: one pytree, saved and restored as a whole."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state

from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.train.metrics import Metrics


class TrainState(train_state.TrainState):
    """Flax's TrainState (step, params, opt_state, apply_fn, tx) and what femo adds.

    Attributes:
      batch_stats: running mean and variance of the BatchNorm layers.
      ema: exponential moving average of `{"params", "batch_stats"}`, which is evaluated and exported.
      answers: `[n, 7] float32` running mean of the network's own probabilities for each training picture, for
        self-distillation; None without.
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
    """A state at step 0 with weights drawn from `key`; with first `answers` where the network learns from its own."""
    images = jnp.zeros((1, IMAGE_SIZE, IMAGE_SIZE, 1), jnp.float32)
    variables = jax.jit(model.init, static_argnames="train")(key, images, train=False)
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
