"""The Optax optimiser and learning-rate schedule that a configuration asks for."""

from typing import Any

import jax
import optax

from femo_jax.train.config import TrainConfig


def create_schedule(config: TrainConfig, steps_per_epoch: int) -> optax.Schedule:
    """Learning rate by step: linear warm-up from 0, then the configured fall to 0 at the last step."""
    warmup = round(config.warmup_epochs * steps_per_epoch)
    remaining = max(1, config.epochs * steps_per_epoch - warmup)
    falls = {
        "cosine": lambda: optax.cosine_decay_schedule(config.learning_rate, remaining),
        "linear": lambda: optax.linear_schedule(config.learning_rate, 0.0, remaining),
        "constant": lambda: optax.constant_schedule(config.learning_rate),
    }
    rise = optax.linear_schedule(0.0, config.learning_rate, max(1, warmup))
    return optax.join_schedules([rise, falls[config.schedule]()], [warmup])


def create_optimizer(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Clipping, weight decay on kernels, and SGD with Nesterov momentum or AdamW."""
    if config.optimizer == "adamw":
        update = optax.adamw(schedule, b1=config.momentum, weight_decay=config.weight_decay, mask=_kernels)
    else:
        update = optax.chain(
            optax.add_decayed_weights(config.weight_decay, mask=_kernels),
            optax.sgd(schedule, momentum=config.momentum, nesterov=True),
        )
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), update) if config.clip_norm else update


def _kernels(params: Any) -> Any:
    """True for convolution and dense kernels, false for biases and BatchNorm's scales."""
    return jax.tree.map(lambda array: array.ndim > 1, params)
