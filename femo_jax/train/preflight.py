"""Whether a network can be trained, evaluated, saved and exported, found out in abstract steps without computing."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization
from flax.traverse_util import unflatten_dict
from jax.tree_util import Partial

from femo_jax.errors import ConfigError
from femo_jax.models import Limits, create_model, outline, with_classes
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.train.config import TrainConfig
from femo_jax.train.fine_tuning import frozen_paths


def check_network(config: TrainConfig, num_classes: int, teachers: Sequence[Partial] = ()) -> None:
    """Checks in abstract steps that a configuration's network can go all the way from training to a model file.

    Args:
      config: of the run.
      num_classes: of the data.
      teachers: of `femo_jax.train.teachers.teacher_function`, for `config.teachers`.

    Raises:
      ConfigError: the network cannot be built, exceeds `femo_jax.models.Limits`, or fails in a training step, an
        evaluation, a checkpoint or an export; the message names which. Or `freeze` matches none of its parameters.
    """
    options = with_classes(config.model, config.model_options, num_classes)
    network = create_model(config.model, **options)
    limits = Limits.from_environment()
    try:
        shapes = outline(network, IMAGE_SIZE, limits).shapes
    except ConfigError as error:
        reason = str(error).removeprefix("the network cannot be built: ").strip().partition("\n")[0][:300]
        raise ConfigError(
            f"{config.model} cannot be built with these model_options ({reason}). `femo models` lists the networks and"
            " their options"
        ) from error
    variables = unflatten_dict(
        {name: jax.ShapeDtypeStruct(size, jnp.float32) for name, size in shapes.items()}, sep="/"
    )
    if config.low_res_epochs:
        try:
            jax.eval_shape(lambda given: network.apply(given, _image(config.low_res_size), train=False), variables)
        except Exception as error:
            raise ConfigError(
                f"low_res_size is {config.low_res_size}, and {config.model} does not take images of that size"
                f" ({_short(error)}). Choose another, such as 32, or low_res_epochs 0"
            ) from error
    if others := sorted(set(variables) - {"params", "batch_stats"}):
        raise ConfigError(
            f"{config.model} has variables in {', '.join(others)}: femo trains networks with params and batch_stats"
            " only"
        )
    frozen_paths([name.removeprefix("params/") for name in shapes if name.startswith("params/")], config.freeze)
    _check_steps(config, network, num_classes, teachers)
    _check_export(config.model, options, shapes, limits)


def _check_steps(config: TrainConfig, network: Any, num_classes: int, teachers: Sequence[Partial]) -> None:
    # Optax, which only training needs, comes with these.
    from femo_jax.train.optimizer import create_optimizer, create_schedule
    from femo_jax.train.state import create_train_state
    from femo_jax.train.steps import eval_step, train_step

    size = config.batch_size
    shape = jax.ShapeDtypeStruct
    answers = np.zeros((size, num_classes), np.float32) if config.self_distillation else None
    optimizer = create_optimizer(config, create_schedule(config, steps_per_epoch=1))
    batch = {
        "image": shape((size, IMAGE_SIZE, IMAGE_SIZE, 1), jnp.uint8),
        "label": shape((size,), jnp.int32),
        "target": shape((size, num_classes), jnp.float32),
        "index": shape((size,), jnp.int32),
    }
    stage = "its first state"
    try:
        model = network if config.dtype == "float32" else network.clone(dtype=jnp.dtype(config.dtype))
        state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), model, optimizer, answers))
        stage = "a training step"
        weights, key = shape((num_classes,), jnp.float32), shape((2,), jnp.uint32)
        after = jax.eval_shape(partial(train_step, config=config), state, batch, weights, key, tuple(teachers))
        stage = "an evaluation"
        masked = {"image": batch["image"], "label": batch["label"], "mask": shape((size,), jnp.bool_)}
        jax.eval_shape(partial(eval_step, apply_fn=network.apply), after, masked)
        logits = jax.eval_shape(lambda given: network.apply(given, _image(IMAGE_SIZE), train=False), after.ema)
        stage = "a checkpoint"
        serialization.to_state_dict(after)
    except Exception as error:
        raise ConfigError(f"{config.model} fails in {stage} ({_short(error)})") from error
    if getattr(logits, "shape", None) != (1, num_classes):
        raise ConfigError(
            f"{config.model} returns {getattr(logits, 'shape', type(logits).__name__)} for one image: expected logits"
            f" of shape (1, {num_classes})"
        )


def _check_export(
    model: str, options: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], limits: Limits
) -> None:
    """A model file stores the network's options as JSON: built from them, the network must be the same."""
    from femo_jax.train.checkpoints import network_options

    try:
        stored = json.loads(json.dumps(network_options(model, options), allow_nan=False))
        rebuilt = outline(create_model(model, **stored), IMAGE_SIZE, limits).shapes
    except Exception as error:
        raise ConfigError(
            f"{model} cannot be exported ({_short(error)}). Its fields need defaults that JSON can store"
        ) from error
    if rebuilt != shapes:
        raise ConfigError(f"{model} cannot be exported: built from its options as JSON, it has other weights")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _image(size: int) -> jax.Array:
    return jnp.zeros((1, size, size, 1))
