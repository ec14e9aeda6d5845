"""Parameters as a table: what is declared, checked, and written as YAML and as a table of the documentation."""

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from femo_jax.errors import ConfigError

Change = Literal["live", "unconfigured", "start"]
"""When a parameter may change: at any time, while the node is unconfigured, or only at its start."""

_CHANGE = {
    "live": "",
    "unconfigured": "Changes only while the node is unconfigured.",
    "start": "Counts once, when the node starts.",
}
_OF_RCLPY = ("use_sim_time", "start_type_description_service", "qos_overrides.")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Attributes:
      name: with the prefix of its group, such as `track.smoothing_ms`.
      default: as ROS has it.
      text: what it means.
      change: when it may change.
      range: smallest and largest value of a number.
      choices: of a text.
      boolean_too: its choices `true` and `false` may be given as booleans, which YAML and the command line make of
        these words.
    """

    name: str
    default: bool | int | float | str | list[str]
    text: str
    change: Change = "live"
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    boolean_too: bool = False

    @property
    def descriptor(self) -> ParameterDescriptor:
        """As ROS has it."""
        choices = f"One of: {', '.join(self.choices)}." if self.choices else ""
        descriptor = ParameterDescriptor(
            description=self.text,
            additional_constraints=" ".join(filter(None, (choices, _CHANGE[self.change]))),
            read_only=self.change == "start",
            dynamic_typing=self.boolean_too or isinstance(self.default, list),  # what it holds is checked by femo
        )
        if self.range and isinstance(self.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=self.range[0], to_value=self.range[1])]
        elif self.range:
            descriptor.integer_range = [IntegerRange(from_value=int(self.range[0]), to_value=int(self.range[1]))]
        return descriptor

    @property
    def notes(self) -> str:
        """Text, range, choices and when it may change, in sentences."""
        parts = [self.text]
        if self.choices:
            parts.append(f"One of {', '.join(self.choices)}.")
        if self.range:
            parts.append(f"Range: {_number(self.range[0])} to {_number(self.range[1])}.")
        if self.change != "live":
            parts.append(_CHANGE[self.change])
        return " ".join(parts)


def declare(node: Any, table: Sequence[Parameter], renamed: Mapping[str, str], others: Iterable[str] = ()) -> None:
    """Declare a node's parameters, and check the names of all that it was given.

    The node must have been made with `automatically_declare_parameters_from_overrides`.

    Args:
      node: whose parameters they are.
      table: the parameters.
      renamed: names of earlier versions, and their present ones.
      others: names that belong to another node, and may stand in a parameter file that both are given.

    Raises:
      ConfigError: a name of an earlier version was given.
      rclpy.exceptions.ParameterException: a value of another type, or out of its range, was given.
    """
    names = [each.name for each in table]
    for given in sorted(node.get_parameters_by_prefix("")):
        if given.startswith(_OF_RCLPY):
            continue
        node.undeclare_parameter(given)
        if given in renamed and given not in names:
            raise ConfigError(f"parameter {given} is now called {renamed[given]}: rename it where you set it.")
        if given not in names and given not in others:
            node.get_logger().warning(unknown(given, names))
    for each in table:
        node.declare_parameter(each.name, each.default, each.descriptor)


def unknown(given: str, names: Sequence[str]) -> str:
    """Describe a name that is none of a node's parameters, with the closest one that is."""
    by_last_part = {name.rpartition(".")[2]: name for name in reversed(names)}
    close = get_close_matches(given, names, n=1) or [
        by_last_part[name] for name in get_close_matches(given.rpartition(".")[2], list(by_last_part), n=1)
    ]
    advice = f"did you mean {close[0]}?" if close else "`ros2 param list` shows those that there are."
    return f"unknown parameter {given} has no effect; {advice}"


def yaml_section(node: str, table: Sequence[Parameter], groups: Mapping[str, str]) -> str:
    """Write parameters as a section of a parameter file, each with its notes above it.

    Args:
      node: name of the section, such as `/**`.
      table: the parameters; those of a group follow each other.
      groups: what each group is about.
    """
    lines = [f"{node}:", "  ros__parameters:"]
    current = ""
    for each in table:
        group, _, name = each.name.rpartition(".")
        if group and group != current:
            lines += ["", *_comment(groups[group], 4), f"    {group}:"]
        current = group
        indent = 6 if group else 4
        lines += [*_comment(each.notes, indent), f"{' ' * indent}{name}: {json.dumps(each.default)}"]
    return "\n".join(lines) + "\n"


def markdown(table: Sequence[Parameter]) -> str:
    """Write parameters as a table of a Markdown page."""
    rows = [f"| `{each.name}` | `{json.dumps(each.default)}` | {each.notes} |" for each in table]
    return "\n".join(["| parameter | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _comment(text: str, indent: int) -> list[str]:
    prefix = " " * indent + "# "
    return textwrap.wrap(text, 118, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False)


def _number(value: float) -> str:
    return f"{value:.10g}"
