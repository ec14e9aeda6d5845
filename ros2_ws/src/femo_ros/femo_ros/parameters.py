"""The node's parameters, made of femo's configuration classes: names, descriptors, checks.

Names, defaults, texts and checks come from the classes themselves (`detector.min_size` is `DetectorConfig.smallest`).
Only what ROS wants besides is said here: ranges, and which parameters may change while the node is configured.
"""

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig, DrawConfig, SearchConfig, StreamConfig, TrackConfig

Offered = Literal["auto", "true", "false"]


@dataclass(frozen=True)
class NodeConfig:
    """What concerns the node itself."""

    model: Path | None = None
    """A model that ships with femo, by its name (default, small), or a model file of `femo export`; empty: the default
    one."""
    image_transport: Literal["raw", "compressed"] = "raw"
    """Subscribe to topic `image` as it is, or to `image/compressed` (jpeg or png)."""
    image_qos: Literal["auto", "sensor_data", "reliable"] = "auto"
    """Reliability of the image subscription: auto follows what the publishers offer, sensor_data is best effort."""
    autostart: bool = True
    """Configure and activate at once; false waits for a lifecycle manager."""
    publish_vision_msgs: Offered = "auto"
    """Publish `~/detections` (vision_msgs/Detection2DArray); auto: where vision_msgs is installed."""
    publish_hri: Offered = "auto"
    """Publish `/humans/faces` (REP-155), which only one node of a robot may do; auto: where hri_msgs is installed."""
    jpeg_quality: int = 80
    """Quality of `~/image_annotated/compressed`; more is better and larger."""


@dataclass(frozen=True)
class Settings:
    """All parameters as one value; each field is the prefix of its parameters, but for `node`, which has none."""

    node: NodeConfig = field(default_factory=NodeConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)

    @property
    def stream(self) -> StreamConfig:
        """The part that `EmotionStream` takes."""
        return StreamConfig(self.search, self.track)


READ_ONLY = frozenset({"autostart"})
"""Parameters that count once, when the node starts."""

WHILE_UNCONFIGURED = frozenset({"model", "image_transport", "publish_vision_msgs", "publish_hri"})
"""Parameters that say what the node loads and which topics it has, and so are taken up by the next configure."""

RANGES: Mapping[str, tuple[float, float]] = {
    "jpeg_quality": (1, 100),
    "detector.min_size": (0.0, 100_000.0),
    "detector.max_size": (0.0, 100_000.0),
    "detector.scale_factor": (1.01, 2.0),
    "detector.min_neighbors": (0, 100),
    "detector.score_threshold": (0.0, 1.0),
    "search.full_scan_ms": (0.0, 60_000.0),
    "search.window_scale": (1.1, 5.0),
    "search.scale_range": (1.05, 3.0),
    "track.min_overlap": (0.0, 1.0),
    "track.min_hits": (1, 100),
    "track.max_age_ms": (0.0, 60_000.0),
    "track.smoothing_ms": (0.0, 60_000.0),
    "track.hysteresis": (0.0, 1.0),
    "track.uncertain_below": (0.0, 1.0),
    "track.uncertain_for_ms": (0.0, 60_000.0),
    "track.box_cutoff_hz": (0.0, 1000.0),
    "track.box_speed": (0.0, 1000.0),
    "draw.scale": (0.1, 10.0),
}
"""Smallest and largest value, as graphical tools show them; the classes check their values themselves as well."""


@dataclass(frozen=True)
class Described:
    """One parameter: its name, its default as ROS has it, and its descriptor."""

    name: str
    default: bool | int | float | str
    descriptor: ParameterDescriptor


@cache
def described() -> tuple[Described, ...]:
    """All parameters of the node."""
    return tuple(
        Described(name, _to_ros(value), _descriptor(name, kind, text))
        for name, value, kind, text in _fields(Settings())
    )


def settings(values: Mapping[str, Any]) -> Settings:
    """The settings of all parameters' values.

    Args:
      values: what ROS has under each of the names; `True` and `False` are fine for a parameter with the choices
        `true` and `false`, since YAML and the command line make booleans of these words.

    Raises:
      ConfigError: a value is not possible; the text names the parameter.
    """
    groups = {}
    for group in dataclasses.fields(Settings):
        cls = _class(group)
        kinds = get_type_hints(cls)
        prefix = _prefix(group)
        try:
            groups[group.name] = cls(
                **{
                    each.name: _from_ros(values[prefix + each.name], kinds[each.name], prefix + each.name)
                    for each in dataclasses.fields(cls)
                }
            )
        except ConfigError as error:
            named = str(error) if str(error).startswith(prefix) else f"{group.name}: {error}"
            raise ConfigError(named) from error
    return Settings(**groups)


def refuse_while_configured(before: Settings, after: Settings) -> None:
    """Refuses changes that a loaded model and living topics cannot follow.

    Raises:
      ConfigError: names the parameter and says what to do.
    """
    for name in sorted(WHILE_UNCONFIGURED):
        if getattr(before.node, name) != getattr(after.node, name):
            raise ConfigError(f"{name} changes only while the node is unconfigured: deactivate and clean it up first.")


def _fields(of: Settings) -> Iterator[tuple[str, Any, Any, str]]:
    """Name, value, type and text of each parameter."""
    for group in dataclasses.fields(of):
        config = getattr(of, group.name)
        kinds, texts = get_type_hints(type(config)), _field_docs(type(config))
        for each in dataclasses.fields(config):
            yield _prefix(group) + each.name, getattr(config, each.name), kinds[each.name], texts[each.name]


def _prefix(group: dataclasses.Field) -> str:
    return "" if group.name == "node" else f"{group.name}."


def _class(group: dataclasses.Field) -> type:
    return get_type_hints(Settings)[group.name]


def _field_docs(cls: type) -> dict[str, str]:
    """The string that stands below each field of a class, which Python itself throws away."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field_line, text in itertools.pairwise(definition.body):
        match field_line, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                texts[name] = inspect.cleandoc(words)
    return texts


def _descriptor(name: str, kind: Any, text: str) -> ParameterDescriptor:
    constraints = []
    if get_origin(kind) is Literal:
        constraints.append(f"One of: {', '.join(get_args(kind))}.")
    if name in WHILE_UNCONFIGURED:
        constraints.append("Changes only while the node is unconfigured.")
    descriptor = ParameterDescriptor(
        description=text,
        additional_constraints=" ".join(constraints),
        read_only=name in READ_ONLY,
        dynamic_typing=kind == Offered,  # `true` and `false` arrive as booleans, `auto` as a string
    )
    if name in RANGES:
        low, high = RANGES[name]
        if kind is int:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return descriptor


def _to_ros(value: Any) -> bool | int | float | str:
    """ROS has neither paths nor None."""
    if value is None or isinstance(value, Path):
        return str(value or "")
    return value


def _from_ros(value: Any, kind: Any, name: str) -> Any:
    if kind == Path | None:
        return Path(value).expanduser() if value else None
    if kind == Offered and isinstance(value, bool):
        value = str(value).lower()
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(get_args(kind))}.")
    return value
