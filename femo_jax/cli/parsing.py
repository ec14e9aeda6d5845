"""The parser of all commands: tyro, with the help that femo wants of it."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from femo_jax.docstrings import field_docs

registry = ConstructorRegistry()


def parse(
    target: Any, prog: str, arguments: Sequence[str], *, description: str | None = None, default: Any = None
) -> Any:
    """Parses the arguments of a command, or prints its help and exits.

    Args:
      target: a dataclass of options, or a function that carries the command out.
      prog: the command, such as `femo predict`.
      arguments: the words after the command.
      description: shown by the help in place of the docstring of `target`.
      default: an instance of the dataclass with the values of options that are not given.

    Returns:
      The dataclass, or what the function returned.
    """
    with registry:
        if default is None:  # tyro would take None for the value that a function gives
            return tyro.cli(target, prog=prog, args=arguments, description=description)
        return tyro.cli(target, prog=prog, args=arguments, description=description, default=default)


def parse_subcommand(subcommands: Mapping[str, Callable[..., Any]], prog: str, arguments: Sequence[str]) -> Any:
    """Parses a subcommand with its arguments and carries it out; returns what its function returned."""
    with registry:
        return tyro.extras.subcommand_cli_from_dict(dict(subcommands), prog=prog, args=arguments)


def default_hint(default: str) -> str:
    """What follows the help of an option: its default, unless it has none to speak of."""
    return "" if default in ("", "None") else f"(default: {default})"


@registry.struct_rule
def _options(info: StructTypeInfo) -> StructConstructorSpec | None:
    """A dataclass of femo: the whole docstring of a field is its help, and None is neither a default nor a choice."""
    of_femo = getattr(info.type, "__module__", "").startswith("femo_jax.")  # tyro makes dataclasses of its own
    if not (of_femo and isinstance(info.type, type) and dataclasses.is_dataclass(info.type)):
        return None
    hints, texts = get_type_hints(info.type, include_extras=True), field_docs(info.type)
    names = {each.name for each in dataclasses.fields(info.type)}
    fields = []
    for each in dataclasses.fields(info.type):
        kind = _shown(hints[each.name])
        default = getattr(info.default, each.name) if isinstance(info.default, info.type) else _default(each)
        text = texts.get(each.name)
        if text is not None:  # a field of the same class is an option on the command line
            text = re.sub(r"`(\w+)`", lambda word: _option(word[1]) if word[1] in names else word[0], text)
        fields.append(StructFieldSpec(each.name, kind, default, text))
    return StructConstructorSpec(info.type, tuple(fields))


@registry.primitive_rule
def _optional_choice(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """One of several words, or None where the option is not given: None is no word that can be chosen."""
    kinds = [each for each in get_args(info.type) if each is not NoneType]
    if get_origin(info.type) not in (Union, UnionType) or len(kinds) != 1 or get_origin(kinds[0]) is not Literal:
        return None
    words = get_args(kinds[0])
    if not all(isinstance(word, str) for word in words):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(words) + "}",
        instance_from_str=lambda given: given[0],
        is_instance=lambda value: value is None or value in words,
        str_from_instance=lambda value: [str(value)],
        choices=words,
    )


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _shown(kind: Any) -> Any:
    """A field's type as the help shows it: metavar and default without None."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    alternatives = [each for each in get_args(bare) if each is not type(None)]
    if len(alternatives) != 1 or len(alternatives) == len(get_args(bare)):
        return kind
    (inner,) = alternatives
    choices = get_args(inner)
    metavar = "{" + ",".join(map(str, choices)) + "}" if choices else inner.__name__.upper()
    extras = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return Annotated[(bare, tyro.conf.arg(metavar=metavar, help_behavior_hint=default_hint), *extras)]


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return tyro.MISSING if field.default is dataclasses.MISSING else field.default
