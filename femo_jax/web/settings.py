"""Settings that the page may change while a source is recognised: numbers and switches, never paths."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from femo_jax.docstrings import field_docs
from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig, SearchConfig, TrackConfig

_FIXED = ("kind", "model")  # of the detector: a client must not name files of the server


@dataclass(frozen=True)
class Settings:
    """How faces are found and followed."""

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)

    def values(self) -> dict[str, dict[str, float | int | bool]]:
        """The settings by group and name."""
        return {
            group.name: {each.name: getattr(config, each.name) for each in _fields(config)}
            for group in dataclasses.fields(self)
            for config in (getattr(self, group.name),)
        }

    def updated(self, changes: Any) -> "Settings":
        """The settings with some of them changed.

        Args:
          changes: values by group and name, as of `values`; what is not named stays.

        Raises:
          ConfigError: a group or name does not exist, a value is of another type, or it makes no sense.
        """
        if not isinstance(changes, Mapping):
            raise ConfigError(f"settings are {type(changes).__name__}; expected an object of groups.")
        groups = {}
        for group, values in changes.items():
            config = getattr(self, group, None) if group in {each.name for each in dataclasses.fields(self)} else None
            if config is None or not isinstance(values, Mapping):
                names = ", ".join(each.name for each in dataclasses.fields(self))
                raise ConfigError(f"settings have {str(group)[:40]!r}; expected objects named {names}.")
            known = {each.name: getattr(config, each.name) for each in _fields(config)}
            for name in values:
                if name not in known:
                    raise ConfigError(f"{group} has no setting {str(name)[:40]!r}; expected {', '.join(known)}.")
            checked = {name: _checked(name, value, known[name]) for name, value in values.items()}
            groups[group] = dataclasses.replace(config, **checked)
        return dataclasses.replace(self, **groups)


def settings_schema() -> dict[str, Any]:
    """The JSON schema of settings, with a description of each."""
    groups = {
        group.name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                each.name: {"type": _TYPES[type(getattr(config, each.name))], "description": texts[each.name]}
                for each in _fields(config)
            },
        }
        for group in dataclasses.fields(Settings)
        for config in (getattr(Settings(), group.name),)
        for texts in (field_docs(type(config)),)
    }
    return {"type": "object", "additionalProperties": False, "properties": groups}


_LARGEST = 1e9  # of any number: JSON has numbers that are none of a computer
_TYPES = {bool: "boolean", int: "integer", float: "number"}


def _fields(config: Any) -> list[dataclasses.Field]:
    return [each for each in dataclasses.fields(config) if each.name not in _FIXED]


def _checked(name: str, value: Any, present: Any) -> float | int | bool:
    """A value of a setting's type; ranges are checked by the configuration itself."""
    kind = type(present)
    fits = isinstance(value, bool) is (kind is bool) and isinstance(value, int | float) and abs(value) < _LARGEST
    if fits and (kind is not int or value == int(value)):
        return kind(value)
    raise ConfigError(f"{name} is {str(value)[:40]!r}; expected a value of type {_TYPES[kind]}.")
