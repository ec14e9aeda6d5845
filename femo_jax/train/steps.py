"""The pure functions of training: one optimiser step and one evaluation batch, state in, state out."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from femo_jax.data.pipeline import steps_per_epoch
from femo_jax.preprocess import IMAGE_SIZE, normalize
from femo_jax.train.augment import augment, mix
from femo_jax.train.config import TrainConfig
from femo_jax.train.fine_tuning import keep_frozen, without_frozen_gradients
from femo_jax.train.state import NEVER, Metrics, TrainState
from femo_jax.train.teachers import teacher_probabilities

PREDICTION_DECAY = 0.6
"""Decay of the running mean of the network's predictions for an image (Laine and Aila 2017, arXiv:1610.02242)."""


def train_step(
    state: TrainState,
    batch: dict[str, jax.Array],
    class_weights: jax.Array,
    key: jax.Array,
    teachers: Sequence[Callable[[jax.Array], jax.Array]] = (),
    *,
    config: TrainConfig,
    size: int = IMAGE_SIZE,
) -> TrainState:
    """One optimiser step; its randomness follows from `key` and `state.step` alone.

    Args:
      state: the state before the step; jit it with donation.
      batch: as `femo_jax.data.pipeline.TrainBatch`; `index` is used for self-distillation alone.
      class_weights: `[c] float32` weight of each class in the loss.
      key: of the run, typed or `[2] uint32`, the same in all its steps. It is traced: runs that differ in their seed
        alone have the same program.
      teachers: of `femo_jax.train.teachers.teacher_function`, for `config.teachers`. Each gets the images that the
        student gets, augmented and mixed (Beyer et al. 2021, arXiv:2106.05237), but at full size.
      config: static under jit; its seed is not used.
      size: side in pixels to which the images are reduced; static under jit.

    Returns:
      The state after the step; its metrics include this batch.
    """
    augment_key, mix_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step), 3)
    images = augment(augment_key, batch["image"].astype(jnp.float32) / 255.0, config.augmentation)
    targets, labels = batch["target"], batch["label"]
    if config.augmentation.mixup or config.augmentation.cutmix:
        images, share = mix(mix_key, images, config.augmentation)
        targets = share * targets + (1 - share) * targets[::-1]
        labels = jnp.where(share < 0.5, labels[::-1], labels)
    taught = teacher_probabilities(teachers, images, config.distillation_temperature) if teachers else None
    if size != IMAGE_SIZE:
        images = jax.image.resize(images, (images.shape[0], size, size, 1), "linear")
    if state.answers is not None:
        targets = distilled_targets(targets, state.answers, batch["index"], state.step, config)
    whole = targets if taught is None else targets + config.distillation_weight * taught
    weights = whole @ class_weights

    def loss_fn(params):
        if config.freeze:
            params = without_frozen_gradients(params, config.freeze)
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats},
            normalize(images),
            train=True,
            rngs={"dropout": dropout_key},
            mutable=["batch_stats"],
        )
        losses = cross_entropy(logits, targets)
        if taught is not None:
            losses += config.distillation_weight * distillation_loss(logits, taught, config.distillation_temperature)
        return jnp.sum(losses * weights) / jnp.sum(weights), (losses, logits, updates.get("batch_stats", {}))

    value_and_gradient = jax.value_and_grad(loss_fn, has_aux=True)
    (loss, (losses, logits, batch_stats)), gradients = value_and_gradient(state.params)
    if config.sam_rho:
        _, gradients = value_and_gradient(_uphill(state.params, gradients, config.sam_rho))
    updates, opt_state = state.tx.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)

    gradient_norm = optax.tree.norm(gradients)
    finite = jnp.isfinite(loss) & jnp.isfinite(gradient_norm) & jnp.isfinite(logits).all()
    correct = jnp.argmax(logits, -1) == labels
    metrics = Metrics.of_images(losses, weights, correct, jnp.ones_like(correct)).replace(
        gradient_norm=gradient_norm,
        update_norm=optax.tree.norm(updates),
        steps=jnp.ones((), jnp.int32),
        first_bad_step=jnp.where(finite, NEVER, state.step),
    )
    current = {"params": params, "batch_stats": batch_stats}
    return state.replace(
        step=state.step + 1,
        params=params,
        opt_state=opt_state,
        batch_stats=batch_stats,
        ema=_averaged(state, current, config),
        answers=None if state.answers is None else update_predictions(state.answers, batch["index"], logits),
        metrics=state.metrics.merge(metrics),
    )


def _uphill(params: Any, gradients: Any, radius: float) -> Any:
    """The weights after an ascent step of length `radius`, where sharpness-aware minimisation takes the gradient."""
    stride = radius / (optax.tree.norm(gradients) + 1e-12)
    return jax.tree.map(lambda weight, gradient: weight + stride * gradient, params, gradients)


def _ema_decay(config: TrainConfig, step: int | jax.Array) -> jax.Array:
    """The configured decay; smaller in the first steps, so that the average forgets the initial weights."""
    return jnp.minimum(config.ema_decay, (1.0 + step) / (10.0 + step))


def _averaged(state: TrainState, current: Any, config: TrainConfig) -> Any:
    """The averaged weights after a step; frozen ones stay as they are, bit for bit."""
    ema = _average(state.ema, current, _ema_decay(config, state.step))
    if config.freeze:
        ema = ema | {"params": keep_frozen(ema["params"], current["params"], config.freeze)}
    return ema


def _average(average: Any, current: Any, decay: jax.Array) -> Any:
    """Moves the averaged weights towards the current ones."""
    return jax.tree.map(lambda a, c: a * decay + c * (1.0 - decay), average, current)


def eval_step(state: TrainState, batch: dict[str, jax.Array], *, apply_fn: Callable[..., Any] | None = None) -> Metrics:
    """Loss and accuracy of the averaged weights on `image`, `label` and `mask [b] bool` (false: padding).

    `apply_fn`, static under jit, replaces that of the state, which computes in the dtype of training.
    """
    logits = (apply_fn or state.apply_fn)(state.ema, normalize(batch["image"]), train=False)
    losses = cross_entropy(logits, jax.nn.one_hot(batch["label"], logits.shape[-1]))
    correct = jnp.argmax(logits, -1) == batch["label"]
    return Metrics.of_images(losses, jnp.ones_like(losses), correct, batch["mask"])


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross entropy of each image in nats: `logits`, `targets [b, c]` -> `[b] float32`."""
    return -jnp.sum(targets * jax.nn.log_softmax(logits.astype(jnp.float32)), axis=-1)


def distillation_loss(logits: jax.Array, taught: jax.Array, temperature: float) -> jax.Array:
    """Cross entropy of a student with its teachers at a temperature (Hinton et al. 2015, arXiv:1503.02531).

    It is multiplied by the square of the temperature, so that the size of its gradients does not depend on it.

    Args:
      logits: `[b, c]` of the student.
      taught: `[b, c] float32` probabilities of the teachers at this temperature.
      temperature: divisor of the logits.

    Returns:
      `[b] float32`, in nats.
    """
    return temperature**2 * cross_entropy(logits.astype(jnp.float32) / temperature, taught)


def distilled_targets(
    targets: jax.Array, answers: jax.Array, index: jax.Array, step: int | jax.Array, config: TrainConfig
) -> jax.Array:
    """Replaces a linearly rising share of the targets by earlier predictions (Kim et al. 2021, arXiv:2006.12000).

    Args:
      targets: `[b, c] float32` of a batch.
      answers: `[n, c] float32` running mean of the predicted probabilities for each training image.
      index: `[b] int32` indices of the batch's images in the training split.
      step: `[] int32` steps done.
      config: `self_distillation` is the share at the end.

    Returns:
      `[b, c] float32`.
    """
    num_steps = config.epochs * steps_per_epoch(len(answers), config.batch_size)
    share = config.self_distillation * step / num_steps
    return (1 - share) * targets + share * answers[index]


def update_predictions(answers: jax.Array, index: jax.Array, logits: jax.Array) -> jax.Array:
    """Updates the running means `[n, c]` with the `logits [b, c]` of the images at `index`."""
    predictions = jax.nn.softmax(logits.astype(jnp.float32))
    return answers.at[index].set(PREDICTION_DECAY * answers[index] + (1 - PREDICTION_DECAY) * predictions)
