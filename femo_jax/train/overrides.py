"""Other values for fields of a configuration, given as text and read as the type of the field says."""

import dataclasses
import json
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from femo_jax.errors import ConfigError
from femo_jax.models import model_options
from femo_jax.models.registry import model_class
from femo_jax.train.config import TrainConfig, current_name

_OPTIONS = "model_options"


def override(config: TrainConfig, changes: Mapping[str, str]) -> TrainConfig:
    """The configuration with other values.

    All are set at once, so that only what they make together has to hold.

    >>> override(TrainConfig(), {"epochs": "3", "augmentation.rotation": "15"}).augmentation.rotation
    15.0

    Args:
      config: what to start from.
      changes: text by the dotted name of a field: `epochs`, `augmentation.rotation`, or `model_options.dropout`, a
        field of the network. Tuples and mappings are JSON: `[24,48]`.

    Raises:
      ConfigError: there is no such field, or the value does not fit it.
    """
    tree: dict[str, Any] = {}
    for field, text in changes.items():
        field = current_name(field)
        *groups, name = field.split(".")
        branch: Any = tree
        for group in groups:
            branch = branch.setdefault(group, {}) if isinstance(branch, dict) else None
        if not isinstance(branch, dict) or name in branch:
            raise ConfigError(f"{field}: given both as a whole and in part. Choose one")
        branch[name] = text
    return _changed(config, tree, "", changes.get("model", config.model))


def _changed(value: Any, tree: Mapping[str, Any], field: str, network: str) -> Any:
    """A dataclass or mapping with some parts replaced; what it is called in the configuration is `field`."""
    parts = _parts(value, field, network)
    prefix = f"{field}." if field else ""
    replaced = {}
    for name, change in tree.items():
        path = prefix + name
        if name not in parts:
            raise ConfigError(f"{path}: no such field; there are {', '.join(prefix + part for part in parts)}")
        now, kind = parts[name]
        if isinstance(change, Mapping):
            replaced[name] = _changed(now, change, path, network)
        elif dataclasses.is_dataclass(now):
            raise ConfigError(
                f"{path}: has fields of its own: {', '.join(_parts(now, path, network))}. Set one of these"
            )
        else:
            replaced[name] = _parse(change, kind, path)
    return {**value, **replaced} if isinstance(value, Mapping) else dataclasses.replace(value, **replaced)


def _parts(value: Any, field: str, network: str) -> dict[str, tuple[Any, Any]]:
    """The value and the type of each part: of a dataclass its fields, of the network's options the network's."""
    if field == _OPTIONS:
        kinds = get_type_hints(model_class(network))
        return {name: (value.get(name), kinds[name]) for name in model_options(network)}
    if not dataclasses.is_dataclass(value):
        raise ConfigError(f"{field}: has no fields of its own. Give its value as a whole")
    kinds = get_type_hints(type(value))
    return {part.name: (getattr(value, part.name), kinds[part.name]) for part in dataclasses.fields(value)}


class _Misfit(Exception):
    """Says what was expected; `_parse` adds which field it was."""


def _parse(text: str, kind: Any, field: str) -> Any:
    if kind is str:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    try:
        return _convert(value, kind)
    except _Misfit as expected:
        raise ConfigError(f"{field}: {text!r} does not fit; expected {expected}") from None


def _convert(value: Any, kind: Any) -> Any:
    """A value of JSON, or a word that is none, as a value of a type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return tuple(value) if isinstance(value, list) else value
    if origin is Literal:
        return value if value in arguments else _expected(f"one of {', '.join(map(str, arguments))}")
    if origin in (Union, types.UnionType):
        return _convert_to_any(value, arguments)
    if kind is type(None):
        return None if value in (None, "none", "None") else _expected("none")
    if kind is bool:
        word = str(value).lower()
        return word == "true" if word in ("true", "false") else _expected("true or false")
    if kind is str:
        return value if isinstance(value, str) else _expected("a word")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return value if number and isinstance(value, int) else _expected("a whole number")
    if kind is float:
        return float(value) if number and math.isfinite(value) else _expected("a number")
    if (origin or kind) in (Mapping, dict):
        return value if isinstance(value, dict) else _expected('a JSON object such as {"dropout": 0.1}')
    if (origin or kind) in (tuple, list, Sequence):
        return _convert_list(value, origin or kind, arguments or (Any, ...))
    return _expected("nothing: a value of its type cannot be given as text")


def _convert_to_any(value: Any, kinds: Sequence[Any]) -> Any:
    expected = []
    for kind in kinds:
        try:
            return _convert(value, kind)
        except _Misfit as misfit:
            expected.append(str(misfit))
    return _expected(" or ".join(expected))


def _convert_list(value: Any, kind: Any, kinds: tuple[Any, ...]) -> Any:
    """Lists become tuples, as configurations have them, unless the type says list."""
    if not isinstance(value, list):
        _expected("a JSON list such as [1,2]")
    if kind is not tuple or kinds[-1] is ...:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        _expected(f"a JSON list of {len(kinds)}")
    items = [_convert(item, of) for item, of in zip(value, kinds, strict=True)]
    return items if kind is list else tuple(items)


def _expected(words: str) -> NoReturn:
    raise _Misfit(words)
