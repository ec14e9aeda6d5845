"""The Optax optimiser and learning-rate schedule that a configuration asks for."""

from typing import Any

import jax
import optax

from femo_jax.train.config import TrainConfig
from femo_jax.train.muon import scale_by_muon


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
    """Muon for kernels of convolutions, on which alone weight decay is; Nesterov's Adam for all else."""
    muon = optax.chain(
        scale_by_muon(config.momentum),
        optax.add_decayed_weights(config.weight_decay),
        optax.scale_by_learning_rate(schedule),
    )
    adam = optax.adam(schedule, b1=config.momentum, nesterov=True)
    return optax.partition({"muon": muon, "adam": adam}, _parts)


_RULES = {"sgd": _sgd, "adamw": _adamw, "muon": _muon}


def _parts(params: Any) -> Any:
    return jax.tree.map(lambda array: "muon" if array.ndim == 4 else "adam", params)


def _kernels(params: Any) -> Any:
    """True for convolution and dense kernels, false for biases and BatchNorm's scales."""
    return jax.tree.map(lambda array: array.ndim > 1, params)
