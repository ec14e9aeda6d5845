"""Fields of a configuration: checked by type and choice, and set by name, from Python values or from text.

One grammar serves `femo train --FIELD VALUE`, `femo sweep --grid FIELD=V1,V2` and `override`.
"""

import dataclasses
import functools
import json
import math
import numbers
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from femo_jax.errors import ConfigError
from femo_jax.models import model_options
from femo_jax.models.registry import model_class

_OPTIONS = "model_options"
_T = TypeVar("_T")


def known_fields(renamed: Mapping[str, str] | None = None) -> Callable[[type[_T]], type[_T]]:
    """Class decorator of a dataclass that refuses unknown keyword arguments and takes earlier names of its fields.

    Args:
      renamed: earlier names of fields with the current ones; their use is reported as a FutureWarning.
    """
    renamed = renamed or {}

    def decorate(cls: type[_T]) -> type[_T]:
        init = cls.__init__

        @functools.wraps(init)
        def checked(self: Any, *args: Any, **values: Any) -> None:
            names = [part.name for part in dataclasses.fields(cls)]  # pyright: ignore[reportArgumentType]
            for earlier, name in renamed.items():
                if earlier in values and name in values:  # dataclasses.replace passes every field by its current name
                    raise ConfigError(f"{earlier} is now called {name}: use this name")
            values = {current_name(name, renamed): value for name, value in values.items()}
            for name in values:
                if name not in names:
                    raise ConfigError(unknown_field(name, names))
            init(self, *args, **values)

        cls.__init__ = checked
        return cls

    return decorate


def current_name(field: str, renamed: Mapping[str, str]) -> str:
    """The current name of a field; an earlier name is reported as a FutureWarning."""
    name = renamed.get(field, field)
    if name != field:
        warnings.warn(f"{field} is now called {name}", FutureWarning, stacklevel=3)
    return name


def unknown_field(field: str, names: Iterable[str]) -> str:
    """The message for a field that does not exist, with the closest name."""
    names = list(names)
    best = closest(field, names)
    hint = f" Did you mean {best}?" if best else ""
    return f"{field}: no such field.{hint} There are {', '.join(names)}"


def closest(word: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant: learning_rate for `learning_rat` or `lr`; None where nothing is close."""
    initials = {"".join(part[0] for part in name.split("_") if part): name for name in names if "_" in name}
    close = get_close_matches(word.lower(), names, n=1)
    return initials.get(word.lower()) or (close[0] if close else None)


def check_types(config: Any) -> None:
    """Converts each field of a dataclass to its type, an int to a float for instance; to be called in `__post_init__`.

    Raises:
      ConfigError: a value does not fit the type or the choices of its field.
    """
    kinds = get_type_hints(type(config))
    for part in dataclasses.fields(config):
        value = getattr(config, part.name)
        if dataclasses.is_dataclass(kinds[part.name]):
            if not isinstance(value, kinds[part.name]):
                name = kinds[part.name].__name__
                raise ConfigError(f"{part.name} is {value!r}: expected {name}(...)")
        else:
            object.__setattr__(config, part.name, checked_value(value, kinds[part.name], part.name))


def check_ranges(config: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raises ConfigError where a number is outside its closed range."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if not low <= value <= high:
            expected = (
                f"at least {low}" if high in (math.inf, 10**9) and value < low else f"a value from {low} to {high}"
            )
            raise ConfigError(f"{name} is {value}: expected {expected}")


def check_model_options(model: str, options: Mapping[str, Any]) -> None:
    """Refuses options that a network does not have, or values that do not fit them.

    Raises:
      ConfigError: the network or an option is unknown, or a value does not fit.
    """
    known = model_options(model)
    kinds = _network_types(model)
    for name, value in options.items():
        if name not in known:
            raise ConfigError(unknown_field(f"{_OPTIONS}.{name}", [f"{_OPTIONS}.{option}" for option in known]))
        checked_value(value, kinds[name], f"{_OPTIONS}.{name}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{_OPTIONS}.{name} is {value!r}: expected a value that JSON can store") from error


def checked_value(value: Any, kind: Any, field: str) -> Any:
    """A Python value of a field, converted to its type; types that are unknown here are not checked.

    Raises:
      ConfigError: it does not fit.
    """
    try:
        return _convert(value, kind)
    except _UnknownType:
        return value
    except _Misfit as misfit:
        raise ConfigError(f"{field} is {value!r}: expected {misfit}") from None


def override(config: Any, changes: Mapping[str, str], renamed: Mapping[str, str] | None = None) -> Any:
    """The configuration with other values.

    All are set at once, so that only the result has to be consistent.

    >>> from femo_jax.train.config import TrainConfig
    >>> override(TrainConfig(), {"epochs": "3", "augmentation.rotation": "15"}).augmentation.rotation
    15.0

    Args:
      config: a dataclass.
      changes: text by the dotted name of a field: `epochs`, `augmentation.rotation`, or `model_options.dropout`, a
        field of the network. Tuples and mappings are JSON: `[24,48]`.
      renamed: earlier names of fields with the current ones; by default those of the configuration's class.

    Raises:
      ConfigError: there is no such field, or the value does not fit it.
    """
    if renamed is None:
        renamed = getattr(config, "RENAMED", {})
    tree: dict[str, Any] = {}
    for field, text in changes.items():
        field = current_name(field, renamed or {})
        *groups, name = field.split(".")
        branch: Any = tree
        for group in groups:
            branch = branch.setdefault(group, {}) if isinstance(branch, dict) else None
        if not isinstance(branch, dict) or name in branch:
            raise ConfigError(f"{field}: given twice, or both as a whole and in part. Choose one")
        branch[name] = text
    return _changed(config, tree, "", changes.get("model", config.model))


def is_flag(config: Any, field: str) -> bool:
    """Whether a dotted field is true or false."""
    for name in field.split("."):
        if not dataclasses.is_dataclass(config) or name not in {part.name for part in dataclasses.fields(config)}:
            return False
        config = getattr(config, name)
    return isinstance(config, bool)


def _changed(value: Any, tree: Mapping[str, Any], field: str, network: str) -> Any:
    """A dataclass or mapping, called `field` in the configuration, with some parts replaced."""
    parts = _parts(value, field, network)
    prefix = f"{field}." if field else ""
    replaced = {}
    for name, change in tree.items():
        path = prefix + name
        if name not in parts:
            raise ConfigError(unknown_field(path, [prefix + part for part in parts]))
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
    """Value and type of each part: of a dataclass its fields, of the network's options the network's."""
    if field == _OPTIONS:
        kinds = _network_types(network)
        return {name: (value.get(name), kinds[name]) for name in model_options(network)}
    if not dataclasses.is_dataclass(value):
        raise ConfigError(f"{field}: has no fields of its own. Give its value as a whole")
    kinds = get_type_hints(type(value))
    return {part.name: (getattr(value, part.name), kinds[part.name]) for part in dataclasses.fields(value)}


def _network_types(network: str) -> dict[str, Any]:
    """The types of a network's options; Any where a user's network has annotations that cannot be resolved."""
    try:
        kinds = get_type_hints(model_class(network))
    except NameError:
        kinds = {}
    return {name: kinds.get(name, Any) for name in model_options(network)}


class _Misfit(Exception):
    """States what was expected; the caller adds the field's name."""


class _UnknownType(_Misfit):
    """The type is not one that a configuration's text can have."""


def _parse(text: str, kind: Any, field: str) -> Any:
    if kind is str:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    try:
        return _convert(value, kind)
    except _Misfit as misfit:
        raise ConfigError(f"{field} is {text!r}: expected {misfit}") from None


def _convert(value: Any, kind: Any) -> Any:
    """A Python or JSON value, or a bare word, as a value of a type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return tuple(value) if isinstance(value, list) else value
    if origin is Literal:
        words = [str(choice) for choice in arguments]
        if isinstance(value, str | int) and value in arguments:
            return value
        best = closest(str(value), words)
        return _expected(f"one of {', '.join(words)}" + (f". Did you mean {best}?" if best else ""))
    if origin in (Union, types.UnionType):
        return _convert_to_any(value, arguments)
    if kind is type(None):
        return None if value in (None, "none", "None") else _expected("none")
    if kind is bool:
        word = str(value).lower()
        return word == "true" if word in ("true", "false") else _expected("true or false")
    if kind is str:
        return value if isinstance(value, str) else _expected("a word")
    if kind is int:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return int(value) if whole else _expected("a whole number")
    if kind is float:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return float(value) if real and _is_finite(value) else _expected("a finite number")
    if (origin or kind) in (Mapping, dict):
        return value if isinstance(value, Mapping) else _expected('a JSON object such as {"dropout": 0.1}')
    if (origin or kind) in (tuple, list, Sequence):
        return _convert_list(value, origin or kind, arguments or (Any, ...))
    raise _UnknownType("nothing: a value of its type cannot be given as text")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond float64
        return False


def _convert_to_any(value: Any, kinds: Sequence[Any]) -> Any:
    expected = []
    for kind in kinds:
        try:
            return _convert(value, kind)
        except _UnknownType:
            raise
        except _Misfit as misfit:
            expected.append(str(misfit))
    return _expected(" or ".join(expected))


def _convert_list(value: Any, kind: Any, kinds: tuple[Any, ...]) -> Any:
    """Lists become tuples, as configurations have them, unless the type says list."""
    if not isinstance(value, list | tuple):
        _expected('a JSON list such as ["a","b"]' if kinds[0] is str else "a JSON list such as [1,2]")
    if kind is not tuple or kinds[-1] is ...:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        _expected(f"a JSON list of {len(kinds)}")
    items = [_convert(item, of) for item, of in zip(value, kinds, strict=True)]
    return items if kind is list else tuple(items)


def _expected(words: str) -> NoReturn:
    raise _Misfit(words)
