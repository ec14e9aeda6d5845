"""The Optax optimiser and learning-rate schedule that a configuration asks for."""

from typing import Any

import jax
import optax
import optax.contrib

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
    """Clipping, weight decay on kernels, and the configured rule."""
    update = _RULES[config.optimizer](config, schedule)
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), update) if config.clip_norm else update


def _sgd(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay, mask=_kernels),
        optax.sgd(schedule, momentum=config.momentum, nesterov=True),
    )


def _adamw(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.adamw(schedule, b1=config.momentum, weight_decay=config.weight_decay, mask=_kernels)


def _muon(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Updates of a root mean square of 0.2, as AdamW's usually are, so that one learning rate serves both.

    Weight decay is on Muon's kernels alone.
    """
    return optax.contrib.muon(
        schedule,
        ns_steps=MUON_ITERATIONS,
        beta=config.momentum,
        weight_decay=config.weight_decay,
        weight_decay_mask=_kernels,
        adam_b1=config.momentum,
        muon_weight_dimension_numbers=_matrices,
        consistent_rms=0.2,
    )


_RULES = {"sgd": _sgd, "adamw": _adamw, "muon": _muon}

MUON_ITERATIONS = 3
"""Of Newton and Schulz in a step: not five, which cost a third of a step on a CPU, and do no better on so small
networks (as in cifar10-airbench)."""


def _matrices(params: Any) -> Any:
    """Kernels of convolutions as matrices of inputs by outputs; None for all else, which is not Muon's."""
    matrix = optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3)
    return jax.tree.map(lambda array: matrix if array.ndim == 4 else None, params)


def _kernels(params: Any) -> Any:
    """True for convolution and dense kernels, false for biases and BatchNorm's scales."""
    return jax.tree.map(lambda array: array.ndim > 1, params)
