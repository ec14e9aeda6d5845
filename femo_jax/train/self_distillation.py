"""Learning from one's own earlier answers, which remember less of a wrong label than a network fitted to it would."""

import jax
import jax.numpy as jnp

from femo_jax.data.pipeline import steps_per_epoch
from femo_jax.train.config import TrainConfig

DECAY = 0.6
"""Share of a picture's running mean of answers that one more answer keeps (Laine and Aila 2017, arXiv:1610.02242)."""


def distilled_targets(
    targets: jax.Array, answers: jax.Array, index: jax.Array, step: int | jax.Array, config: TrainConfig
) -> jax.Array:
    """Replaces a linearly rising share of the targets by earlier answers (Kim et al. 2021, arXiv:2006.12000).

    Args:
      targets: `[b, 7] float32` of a batch.
      answers: `[n, 7] float32` running mean of the answers for each training picture.
      index: `[b] int32` places of the batch's pictures among these.
      step: `[] int32` steps done.
      config: `self_distillation` is the share at the end.

    Returns:
      `[b, 7] float32`.
    """
    num_steps = config.epochs * steps_per_epoch(len(answers), config.batch_size)
    share = config.self_distillation * step / num_steps
    return (1 - share) * targets + share * answers[index]


def remember(answers: jax.Array, index: jax.Array, logits: jax.Array) -> jax.Array:
    """The running means `[n, 7]` with the `logits [b, 7]` of the pictures at `index` taken in."""
    answer = jax.nn.softmax(logits.astype(jnp.float32))
    return answers.at[index].set(DECAY * answers[index] + (1 - DECAY) * answer)
