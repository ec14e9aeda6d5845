"""Optax optimisers and learning-rate schedules of a configuration, and Muon for convolution kernels.

Muon is of Jordan et al. 2024 and Liu et al. 2025 (arXiv:2502.16982), in a form that is fast on a CPU.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from femo_jax.train.config import TrainConfig
from femo_jax.train.fine_tuning import fine_tuned

MUON_ITERATIONS = 3
"""Newton-Schulz iterations per step; five are not better for networks this small (as in cifar10-airbench)."""

_A, _B, _C = 3.4445, -4.7750, 2.0315  # Jordan's quintic: the steepest at 0 that ends between 0.7 and 1.2
_UPDATE_RMS = 0.2  # as AdamW's updates usually have, so that one learning rate serves both


def create_schedule(config: TrainConfig, steps_per_epoch: int) -> optax.Schedule:
    """Learning rate by step: linear warm-up from 0, then the configured decay, to 0 at the last step."""
    warmup = round(config.warmup_epochs * steps_per_epoch)
    remaining = max(1, config.epochs * steps_per_epoch - warmup)
    decays = {
        "cosine": lambda: optax.cosine_decay_schedule(config.learning_rate, remaining),
        "linear": lambda: optax.linear_schedule(config.learning_rate, 0.0, remaining),
        "constant": lambda: optax.constant_schedule(config.learning_rate),
    }
    warm_up = optax.linear_schedule(0.0, config.learning_rate, max(1, warmup))
    return optax.join_schedules([warm_up, decays[config.schedule]()], [warmup])


def create_optimizer(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Gradient clipping, weight decay of kernels, and the configured optimiser, with what fine-tuning changes in it."""
    update = _RULES[config.optimizer](config, schedule)
    if config.clip_norm:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    return fine_tuned(update, config)


def _sgd(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay, mask=_kernels),
        optax.sgd(schedule, momentum=config.momentum, nesterov=True),
    )


def _adamw(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    return optax.adamw(schedule, b1=config.momentum, weight_decay=config.weight_decay, mask=_kernels)


def _muon(config: TrainConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Muon with weight decay for convolution kernels; Nesterov Adam for the other parameters."""
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


def scale_by_muon(momentum: float) -> optax.GradientTransformation:
    """Nesterov momentum, orthogonalised: an update of about equal size in all directions of a kernel.

    Kernels are `[height, width, inputs, outputs]`, reshaped to matrices with `outputs` columns. Updates have a
    root mean square of about 0.2.
    """
    return optax.chain(
        optax.trace(momentum, nesterov=True),
        optax.stateless(lambda updates, _: jax.tree.map(_orthogonal_update, updates)),
    )


def orthogonalized(matrix: jax.Array) -> jax.Array:
    """The matrix `[m, n] float32` with its singular values brought near 1 by Newton-Schulz iterations.

    An iteration `X <- (a I + b XXᵀ + c (XXᵀ)²) X` multiplies X by a polynomial of `G = XXᵀ`, so that all of them
    together multiply it by a product of polynomials of the first G, which commute. Only G is iterated, and the wide X
    is multiplied twice, not twice an iteration: less than half the work where a kernel has nine inputs to an output.
    The start is divided by the root of G's Frobenius norm, which bounds the largest singular value more closely than
    the norm of X does (Grishina et al. 2025, arXiv:2506.10935).
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    gram = wide @ wide.T
    norm = jnp.linalg.norm(gram) + 1e-20
    gram = gram / norm
    product = factor = _factor(gram)
    for _ in range(MUON_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        product = factor @ product
    result = product @ wide / jnp.sqrt(norm)
    return result if wide is matrix else result.T


def _factor(gram: jax.Array) -> jax.Array:
    return _A * jnp.eye(len(gram), dtype=gram.dtype) + _B * gram + _C * gram @ gram


def _orthogonal_update(kernel: jax.Array) -> jax.Array:
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return (_UPDATE_RMS * max(matrix.shape) ** 0.5 * orthogonalized(matrix)).reshape(kernel.shape)
