"""Starting weights: the weights of a trained network as those with which a run begins.

The body is taken as a whole. Of the head, a class that both networks have is copied, by its name; the others are as
they were initialised.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from femo_jax.emotions import canonical_name
from femo_jax.errors import ConfigError
from femo_jax.model_file import LoadedModel
from femo_jax.models import create_model
from femo_jax.train.config import TrainConfig
from femo_jax.train.fine_tuning import frozen_norms, frozen_paths, head_path
from femo_jax.train.state import TrainState


def with_options_of(config: TrainConfig, loaded: LoadedModel) -> TrainConfig:
    """The configuration with the network's options of the starting weights, where it has none of its own.

    Raises:
      ConfigError: the starting weights are of another architecture.
    """
    if loaded.architecture != config.model:
        raise ConfigError(
            f"init is {config.init!r}, a network of the architecture {loaded.architecture}, and model is"
            f" {config.model}: expected the same. Set --model {loaded.architecture}"
        )
    options = {name: value for name, value in loaded.options.items() if name not in ("num_classes", "dtype")}
    return dataclasses.replace(config, model_options={**options, **config.model_options})


def start_from(
    state: TrainState, loaded: LoadedModel, config: TrainConfig, class_names: Sequence[str]
) -> tuple[TrainState, dict[str, Any]]:
    """A state at step 0 with the weights of a trained network.

    Args:
      state: as it was initialised.
      loaded: the starting weights, float32, also from a file of float16.
      config: `init` is named in messages.
      class_names: of the new network, in the order of its logits.

    Returns:
      The state, and what was done, as JSON values: `init`, `architecture`, `sha256` (of the weights), `loaded` (number
      of parameters that were copied, without the head), and `head` with the lists of class names `copied`,
      `initialised` and `left_out` (only in the starting weights).

    Raises:
      ConfigError: a parameter of the body is missing, unknown or of another shape; the message names it.
    """
    head = head_path(create_model(config.model, **config.model_options))
    given = _flat(loaded.variables)
    fresh = _flat({"params": state.params, "batch_stats": state.batch_stats})
    of_head = {name for name in fresh if name.startswith(f"params/{head}/")}
    _check_body(config, loaded, {name: np.shape(value) for name, value in fresh.items()}, given, of_head)
    old, new = ([canonical_name(name) for name in names] for names in (loaded.classes, class_names))
    pairs = [(new.index(name), old.index(name)) for name in new if name in old]
    started = {}
    for name, value in fresh.items():
        if name not in of_head:
            started[name] = jnp.asarray(given[name], value.dtype)
            continue
        array = np.array(value)
        for to, source in pairs:
            array[..., to] = given[name][..., source]
        started[name] = jnp.asarray(array)
    variables = {"params": {}, "batch_stats": {}, **unflatten_dict(started, sep="/")}
    copied = [class_names[to] for to, _ in pairs]
    done = {
        "init": config.init,
        "architecture": loaded.architecture,
        "sha256": _digest(given),
        "loaded": sum(np.size(value) for name, value in fresh.items() if name not in of_head and "params/" in name),
        "head": {
            "copied": copied,
            "initialised": [name for name in class_names if name not in copied],
            "left_out": [name for name, canonical in zip(loaded.classes, old, strict=True) if canonical not in new],
        },
    }
    return state.replace(**variables, ema=jax.tree.map(jnp.copy, variables)), done


def frozen_record(state: TrainState, config: TrainConfig) -> dict[str, Any]:
    """What `TrainConfig.freeze` freezes, as JSON values: paths of parameters, and of BatchNorm layers."""
    if not config.freeze:
        return {}
    frozen = frozen_paths(_flat(state.params), config.freeze)
    norms = frozen_norms(create_model(config.model, **config.model_options), config.freeze)
    return {"frozen": {"parameters": list(frozen), "batch_norm": list(norms)}}


def describe(record: dict[str, Any]) -> list[str]:
    """Lines for a person about what `start_from` and `frozen_record` returned."""
    lines = []
    if "init" in record:
        head = record["head"]
        lines.append(f"starting weights: {record['init']}, {record['loaded']:,} parameters of {record['architecture']}")
        parts = [("copied", "copied"), ("initialised", "initialised"), ("left out", "left_out")]
        lines.append("head: " + "; ".join(f"{word} {', '.join(head[key])}" for word, key in parts if head[key]))
    if frozen := record.get("frozen"):
        layers = dict.fromkeys(path.rpartition("/")[0] or path for path in frozen["parameters"])
        lines.append(f"frozen: {', '.join(layers)}")
    return lines


def _flat(tree: Any) -> dict[str, Any]:
    return flatten_dict(dict(tree), sep="/")  # pyright: ignore[reportReturnType]


def _check_body(
    config: TrainConfig,
    loaded: LoadedModel,
    expected: dict[str, tuple[int, ...]],
    given: dict[str, Any],
    of_head: set[str],
) -> None:
    wrong = [f"{name} is missing" for name in sorted(expected.keys() - given.keys())]
    wrong += [f"{name} is not in the network to be trained" for name in sorted(given.keys() - expected.keys())]
    for name in sorted(expected.keys() & given.keys()):
        shape, size = np.shape(given[name]), expected[name]
        if name in of_head:  # the number of classes may differ
            shape, size = shape[:-1], size[:-1]
        if shape != size:
            wrong.append(f"{name} has shape {list(np.shape(given[name]))}, expected {list(expected[name])}")
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ConfigError(
            f"init is {config.init!r}: {wrong[0].replace('params/', '', 1)}{more}. Its options are"
            f" {dict(loaded.options)}; leave out the model_options that differ, or choose other starting weights"
        )


def _digest(variables: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(variables):
        digest.update(f"{name} {np.shape(variables[name])}".encode())
        digest.update(np.ascontiguousarray(variables[name], np.float32).tobytes())
    return digest.hexdigest()
