"""The networks by name, as used in configurations, model files and on the command line."""

import dataclasses
import math
import reprlib
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar

import jax.numpy as jnp
from flax import linen as nn

from femo_jax.errors import ConfigError, closest_hint
from femo_jax.ops import Implementation

_Network = TypeVar("_Network", bound=type[nn.Module])

_NETWORKS: dict[str, type[nn.Module]] = {}
_ORIGINS: dict[str, tuple[str, str | None]] = {}


def register(name: str) -> Callable[[_Network], _Network]:
    """Class decorator that makes a linen module available as `create_model(name)`.

    The module's fields are its options, all with defaults, among them `num_classes`, `dropout` and `dtype`; a field
    `ops`, which is not an option, selects the kernel backend (`femo_jax.ops.Implementation`). Its call
    is `(images, *, train)`: `[b, h, w, 1] float32` normalised images -> `[b, num_classes] float32` logits. The first
    line of its docstring is what `femo models` prints.

    A file that is run again, such as a configuration that two others share, replaces its own network.

    Raises:
      ValueError: the name is taken by another class.
    """

    def add(network: _Network) -> _Network:
        origin = network.__qualname__, getattr(sys.modules.get(network.__module__), "__file__", None)
        if _ORIGINS.setdefault(name, origin) != origin:
            raise ValueError(f"a network named {name!r} is registered already: {_NETWORKS[name].__qualname__}")
        _NETWORKS[name] = network
        return network

    return add


ENTRY_POINTS = "femo.models"
"""Group of entry points by which installed packages register networks, each named as its architecture."""


def model_names() -> tuple[str, ...]:
    """The registered names, and those of entry points, in alphabetical order."""
    return tuple(sorted({*_NETWORKS, *(point.name for point in entry_points(group=ENTRY_POINTS))}))


def registered_by(module: ModuleType) -> tuple[str, ...]:
    """The names of the networks that a module or a part of it has registered, or that it imports, but for femo's."""
    held = {id(value) for value in vars(module).values() if isinstance(value, type)}
    path = getattr(module, "__file__", None)
    return tuple(
        name
        for name, network in sorted(_NETWORKS.items())
        if (id(network) in held and not network.__module__.startswith("femo_jax."))
        or f"{network.__module__}.".startswith(f"{module.__name__}.")
        or (path is not None and _ORIGINS[name][1] == path)
    )


def model_class(name: str) -> type[nn.Module]:
    """The linen module class of a name, from an installed package if its entry points have the name.

    Raises:
      ConfigError: there is no such network, or its package fails.
    """
    if name not in _NETWORKS:
        _load_entry_point(name)
    if name not in _NETWORKS:
        raise ConfigError(
            f"unknown model {name!r}; choose one of {', '.join(model_names())}. For a network of your own give --plugin"
            f" MODULE, the module or .py file that registers it.{closest_hint(name, model_names())}"
        )
    return _NETWORKS[name]


def _load_entry_point(name: str) -> None:
    """Load the installed package that says it has a network of this name, if there is one."""
    for point in entry_points(group=ENTRY_POINTS, name=name):
        try:
            point.load()
        except Exception as error:  # whatever another package's code raises
            raise ConfigError(
                f"model {name!r}: the entry point {point.value} of {ENTRY_POINTS} fails"
                f" ({type(error).__name__}: {error}). Repair or uninstall its package"
            ) from error
        if name not in _NETWORKS:
            raise ConfigError(
                f"model {name!r}: the entry point {point.value} of {ENTRY_POINTS} registers no network of this name"
            )


def model_options(name: str) -> dict[str, Any]:
    """The options of a network with their defaults.

    Raises:
      ConfigError: there is no such network.
    """
    fields = dataclasses.fields(model_class(name))
    return {field.name: field.default for field in fields if field.name not in ("parent", "name", "ops")}


def with_classes(name: str, options: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    """A network's options with the number of classes of the data, where it has such an option.

    Raises:
      ConfigError: there is no such network, or the options give another number.
    """
    if options.get("num_classes", num_classes) != num_classes:
        raise ConfigError(
            f"model_options.num_classes is {options['num_classes']}: expected {num_classes}, the number of classes of"
            " the data. Leave it out"
        )
    return {**options, "num_classes": num_classes} if "num_classes" in model_options(name) else dict(options)


def create_model(name: str, /, *, ops: Implementation = "xla", **options: Any) -> nn.Module:
    """Create a network by name; `options` replace the defaults of its fields.

    Parameters and, up to rounding, results do not depend on `ops`; a network without a field `ops` uses XLA.

    Options may come from JSON: a list for a tuple, and `dtype="bfloat16"` for the type.

    >>> create_model("simple_cnn", dropout=0.3).dropout
    0.3

    Raises:
      ConfigError: there is no such network, or it has no such option.
    """
    check_options(name, options)
    model = model_class(name)
    if any(field.name == "ops" for field in dataclasses.fields(model)):
        options["ops"] = ops
    # A linen module must be hashable, and a list is not.
    return model(**{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that are not a network's own, or not of the type of their default.

    Options that come from a file are checked by this alone before `create_model` gets them: `ops`, which makes femo
    compile and load code, is none of them.

    Args:
      name: of a registered network.
      options: by name, as Python or JSON has them.

    Raises:
      ConfigError: there is no such network, it has no such option, or an option is of another type.
    """
    defaults = model_options(name)
    unknown = sorted(set(options) - set(defaults), key=str)
    if unknown:
        raise ConfigError(
            f"model {name!r} has no option {', '.join(map(repr, unknown))}; its options are {', '.join(defaults)}"
        )
    for option, value in options.items():
        expected = _no_float_type(value) if option == "dtype" else _unlike(defaults[option], value)
        if expected:
            raise ConfigError(f"option {option} of model {name!r} is {reprlib.repr(value)}; expected {expected}")


def _no_float_type(value: Any) -> str:
    try:
        is_float = jnp.issubdtype(jnp.dtype(value), jnp.floating)
    except TypeError:
        is_float = False
    return "" if is_float else "float32, bfloat16 or float16"


def _unlike(default: Any, value: Any) -> str:
    """What is expected where a value is not like a default; else an empty string."""
    integer, number = isinstance(value, int) and not isinstance(value, bool), isinstance(value, int | float)
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return "" if integer and value >= 0 else "an integer of at least 0"
    if isinstance(default, float):
        return "" if number and not isinstance(value, bool) and abs(value) < math.inf else "a finite number"
    if isinstance(default, tuple):
        if (
            isinstance(value, list | tuple)
            and value
            and not any(_unlike(default[0], each) or each == 0 for each in value)
        ):
            return ""
        return "a list of integers of at least 1"
    return ""
