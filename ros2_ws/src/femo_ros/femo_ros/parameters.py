"""The parameters of both nodes.

    python -m femo_ros.parameters yaml       writes config/femo.yaml
    python -m femo_ros.parameters markdown   writes the tables of docs/robot.md

This is the only place that states them. Those of the recogniser come from femo's configuration classes: names,
defaults, texts and checks (`detector.min_size` is `DetectorConfig.min_size`). What ROS wants besides stands here:
ranges, and which parameters may change while the node is configured.
"""

import dataclasses
import inspect
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from femo_jax.docstrings import field_docs
from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig, DrawConfig, SearchConfig, StreamConfig, TrackConfig
from femo_jax.prior import DEFAULT_PRIOR, parse_prior
from femo_ros.parameter_table import Change, Parameter, markdown, yaml_section

Offered = Literal["auto", "true", "false"]

_CAMERA = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class NodeConfig:
    """The node itself."""

    model: Path | None = None
    """A model that ships with femo, by its name (default, small), or a model file of `femo export`, of which .onnx
    needs no JAX; empty: the default one."""
    prior: str = DEFAULT_PRIOR
    """How frequent the classes are where the robot is: everyday, uniform, training (probabilities as the model gives
    them), or probabilities such as neutral=0.4,happy=0.2, where the other classes share the rest."""
    cameras: tuple[str, ...] = ()
    """Names of several cameras, whose faces are recognised together: for each NAME the node takes NAME/image in place
    of `image`, and publishes ~/NAME/faces in place of ~/faces, as all other topics of faces and images; empty: one
    camera without a name."""
    image_transport: Literal["raw", "compressed"] = "raw"
    """raw: subscribe to topic `image` (sensor_msgs/Image); compressed: to `image/compressed`, JPEG or PNG."""
    image_qos: Literal["auto", "sensor_data", "reliable"] = "auto"
    """Reliability of the image subscription. auto: as the publishers offer it; sensor_data: best effort."""
    depth_transport: Literal["raw", "compressedDepth"] = "raw"
    """raw: depth images on topic `depth` (sensor_msgs/Image); compressedDepth: on `depth/compressedDepth`, as PNG."""
    autostart: bool = True
    """Configure and activate at once; false waits for a lifecycle manager."""
    bond_timeout: float = 4.0
    """Seconds without a heartbeat of the active node after which a lifecycle manager takes it for dead, where package
    bond is installed; 0: no heartbeat. A manager without bond support needs its own bond_timeout 0.0."""
    publish_vision_msgs: Offered = "auto"
    """Publish `~/detections` (vision_msgs/Detection2DArray); auto: where vision_msgs is installed."""
    publish_foxglove_msgs: Offered = "auto"
    """Publish `~/annotations` (foxglove_msgs/ImageAnnotations); auto: where foxglove_msgs is installed."""
    publish_hri: Offered = "auto"
    """Publish `/humans/faces` (REP-155), which only one node of a robot may do: false in all others, and beside another
    face detector for REP-155; auto: where hri_msgs is installed."""
    faces_from: Literal["detector", "hri"] = "detector"
    """detector: find the faces of the image topic; hri: classify the faces that another node publishes below
    `/humans/faces` (REP-155), and publish their expression only."""
    hri_crop: Literal["cropped", "aligned"] = "cropped"
    """Topic of each face that is classified with faces_from hri."""
    hri_face_width: int = 128
    """Width of `/humans/faces/<id>/cropped` in pixels: `/humans/faces/width` of REP-155."""
    hri_face_height: int = 128
    """Height of `/humans/faces/<id>/cropped` in pixels: `/humans/faces/height` of REP-155."""
    jpeg_quality: int = 90
    """Quality of `~/image_annotated/compressed`; more is better and larger."""
    web: bool = False
    """Serve the annotated images and their faces as a web page, as `femo serve` does; needs femo's extra web."""
    web_host: str = "127.0.0.1"
    """Name or address of the page; one that other machines reach needs a token in the environment variable
    FEMO_TOKEN."""
    web_port: int = 8080
    """Port of the page."""

    def __post_init__(self) -> None:
        """Refuse what contradicts each other, with ConfigError."""
        parse_prior(self.prior)
        if self.web and self.faces_from == "hri":
            raise ConfigError("web is true with faces_from hri, which has no images; expected faces_from detector.")
        self._check_cameras()

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Of the cameras that there are; empty where a single one has no name."""
        return self.cameras or ("",)

    def _check_cameras(self) -> None:
        for number, name in enumerate(self.cameras):
            if not _CAMERA.fullmatch(name) or "__" in name:
                raise ConfigError(
                    f"cameras is {list(self.cameras)}, and {name!r} can be no part of a topic; expected letters, digits"
                    " and single underscores, not a digit first."
                )
            if name in self.cameras[:number]:
                raise ConfigError(f"cameras is {list(self.cameras)}, with {name!r} twice; expected each name once.")
        if self.cameras and self.faces_from == "hri":
            raise ConfigError(
                f"cameras is {list(self.cameras)} with faces_from hri, which takes no images; expected no cameras, or"
                " faces_from detector."
            )
        if self.cameras and self.publish_hri == "true":
            raise ConfigError(
                f"cameras is {list(self.cameras)} with publish_hri true, and REP-155 has one list of faces; expected"
                " publish_hri auto or false, with which several cameras publish none, or a node for each camera."
            )


@dataclass(frozen=True)
class PositionConfig:
    """Where faces are in space, as `~/face_poses` has them."""

    face_width: float = 0.15
    """Width in metres of what the box of a face spans, from which its distance follows where no depth image has it; 0:
    such a face has no position (NaN)."""
    max_offset_ms: float = 50.0
    """Largest difference in milliseconds between the stamps of an image and the depth image that is used for it."""
    rectified: bool = False
    """The images are rectified: P of camera_info holds, in place of K and the distortion."""


@dataclass(frozen=True)
class DiagnosticsConfig:
    """When `/diagnostics` reports that images are missing."""

    warn_after_ms: float = 0.0
    """Milliseconds without an image until WARN; 0: three periods of the camera, at least 500."""
    error_after_ms: float = 0.0
    """Milliseconds without an image until ERROR; 0: ten periods of the camera, at least 2000."""

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other, with ConfigError."""
        if 0 < self.error_after_ms < self.warn_after_ms:
            raise ConfigError(
                f"warn_after_ms is {self.warn_after_ms:g} and error_after_ms is {self.error_after_ms:g}; expected"
                " error_after_ms to be no less."
            )


@dataclass(frozen=True)
class Settings:
    """All parameters of the recogniser; each field is the prefix of its parameters, but for `node`, which has none."""

    node: NodeConfig = field(default_factory=NodeConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)
    position: PositionConfig = field(default_factory=PositionConfig)
    diagnostics: DiagnosticsConfig = field(default_factory=DiagnosticsConfig)

    @property
    def stream(self) -> StreamConfig:
        """The part that `EmotionStream` takes."""
        return StreamConfig(self.search, self.track)


CHANGES: Mapping[str, Change] = {
    "autostart": "start",
    "model": "unconfigured",
    "prior": "unconfigured",
    "cameras": "unconfigured",
    "image_transport": "unconfigured",
    "depth_transport": "unconfigured",
    "publish_vision_msgs": "unconfigured",
    "publish_foxglove_msgs": "unconfigured",
    "publish_hri": "unconfigured",
    "bond_timeout": "unconfigured",
    "faces_from": "unconfigured",
    "hri_crop": "unconfigured",
    "hri_face_width": "unconfigured",
    "hri_face_height": "unconfigured",
    "web": "unconfigured",
    "web_host": "unconfigured",
    "web_port": "unconfigured",
}
"""Parameters that do not change at any time."""

_MILLISECONDS = (0.0, 60_000.0)
RANGES: Mapping[str, tuple[float, float]] = {
    "bond_timeout": (0.0, 3600.0),
    "hri_face_width": (16, 1024),
    "hri_face_height": (16, 1024),
    "jpeg_quality": (1, 100),
    "web_port": (1, 65535),
    "detector.min_size": (0.0, 100_000.0),
    "detector.max_size": (0.0, 100_000.0),
    "detector.scale_factor": (1.01, 2.0),
    "detector.min_neighbors": (0, 100),
    "detector.score_threshold": (0.0, 1.0),
    "search.full_scan_ms": _MILLISECONDS,
    "search.look_every_ms": _MILLISECONDS,
    "search.window_scale": (1.1, 5.0),
    "search.scale_range": (1.05, 3.0),
    "track.min_overlap": (0.0, 1.0),
    "track.min_hits": (1, 100),
    "track.max_age_ms": _MILLISECONDS,
    "track.classify_every_ms": _MILLISECONDS,
    "track.smoothing_ms": _MILLISECONDS,
    "track.hysteresis": (0.0, 1.0),
    "track.uncertain_below": (0.0, 1.0),
    "track.min_contrast": (0.0, 128.0),
    "track.uncertain_for_ms": _MILLISECONDS,
    "track.box_cutoff_hz": (0.0, 1000.0),
    "track.box_speed": (0.0, 1000.0),
    "draw.scale": (0.1, 10.0),
    "position.face_width": (0.0, 1.0),
    "position.max_offset_ms": _MILLISECONDS,
    "diagnostics.warn_after_ms": (0.0, 3_600_000.0),
    "diagnostics.error_after_ms": (0.0, 3_600_000.0),
}
"""Smallest and largest value, as graphical tools show them; the classes check their values themselves as well."""

RENAMED: Mapping[str, str] = {
    "detector.smallest": "detector.min_size",
    "detector.largest": "detector.max_size",
    "detector.score": "detector.score_threshold",
    "search.window": "search.window_scale",
    "search.scales": "search.scale_range",
    "track.born_after": "track.min_hits",
    "track.lost_after_ms": "track.max_age_ms",
}
"""Names of version 0.1, and the present ones."""

VIDEO_SOURCE: tuple[Parameter, ...] = tuple(
    Parameter(name, default, text, "start", limits, choices)
    for name, default, text, limits, choices in (
        ("source", "0", "Camera number or device, address of a stream, clip, image, folder or pattern.", None, ()),
        ("rate", 0.0, "Images per second; 0: as the source has it, 30 for images.", (0.0, 1000.0), ()),
        ("loop", False, "Start again at the end of a clip or of images; else the node ends.", None, ()),
        ("wait", False, "Start with the first subscriber, so that it misses nothing.", None, ()),
        ("width", 0, "Width in pixels, asked of a camera and scaled to; 0: as it is.", (0, 65500), ()),
        ("height", 0, "Height in pixels; 0 if and only if the width is.", (0, 65500), ()),
        ("frame_id", "camera", "frame_id of all headers: the camera's optical frame.", None, ()),
        ("qos", "reliable", "Reliability; sensor_data: best effort.", None, ("reliable", "sensor_data")),
        ("compressed", False, "Publish image_raw/compressed (JPEG) as well.", None, ()),
        ("jpeg_quality", 90, "Quality of the JPEGs; more is better and larger.", (1, 100), ()),
        ("camera_info", False, "Publish camera_info as well, with the size alone: it is not calibrated.", None, ()),
    )
)
"""The parameters of video_source."""


@cache
def recognizer_parameters() -> tuple[Parameter, ...]:
    """Return the parameters of emotion_recognizer."""
    return tuple(
        Parameter(
            name,
            _to_ros(value),
            text,
            CHANGES.get(name, "live"),
            RANGES.get(name),
            get_args(kind) if get_origin(kind) is Literal else (),
            kind == Offered,
        )
        for name, value, kind, text in _fields(Settings())
    )


def settings(values: Mapping[str, Any]) -> Settings:
    """Make the settings of all parameters' values.

    Args:
      values: what ROS has under each of the names; `True` and `False` are fine for a parameter with the choices
        `true` and `false`.

    Raises:
      ConfigError: a value is not possible; the text names the parameter.
    """
    groups = {}
    for group in dataclasses.fields(Settings):
        cls = _class(group)
        kinds = get_type_hints(cls)
        prefix = _prefix(group)
        names = [each.name for each in dataclasses.fields(cls)]
        taken = {name: _from_ros(values[prefix + name], kinds[name], prefix + name) for name in names}
        try:
            groups[group.name] = cls(**taken)
        except ConfigError as error:
            raise ConfigError(_qualified(str(error), prefix, names)) from error
        for name in names:
            low, high = RANGES.get(prefix + name, (-math.inf, math.inf))
            if prefix + name in RANGES and not low <= taken[name] <= high:
                raise ConfigError(f"{prefix}{name} is {taken[name]!r}; expected a number from {low:g} to {high:g}.")
    return Settings(**groups)


def refuse_while_configured(before: Settings, after: Settings) -> None:
    """Refuse changes that a loaded model and existing topics cannot follow.

    Raises:
      ConfigError: names the parameter and what to do.
    """
    for name, change in sorted(CHANGES.items()):
        if change == "unconfigured" and getattr(before.node, name) != getattr(after.node, name):
            raise ConfigError(f"{name} changes only while the node is unconfigured: deactivate and clean it up first.")


def parameter_file() -> str:
    """Write the parameter file that ships with the package."""
    groups = {
        group.name: " ".join((inspect.getdoc(_class(group)) or "").split()) for group in dataclasses.fields(Settings)
    }
    head = """\
# Every parameter of emotion_recognizer with its default. Copy this file, keep what you change, and name the copy:
#
#   ros2 launch femo_ros femo.launch.py params_file:=/path/to/copy.yaml
#   ros2 run femo_ros emotion_recognizer --ros-args --params-file /path/to/copy.yaml
#
# Parameters without a note may change while the node runs: ros2 param set /emotion_recognizer track.smoothing_ms 500.0
# Written by `python -m femo_ros.parameters yaml`.
"""
    return head + yaml_section("/**", recognizer_parameters(), groups)


def _qualified(text: str, prefix: str, names: list[str]) -> str:
    """An error of a class with its fields as the node calls them: where they are quoted or stand before `is`."""
    field_names = "|".join(names)
    return re.sub(rf"(?<![\w.])({field_names})(?= is )|(?<=`)({field_names})(?=`)", rf"{prefix}\g<0>", text)


def _fields(of: Settings) -> Iterator[tuple[str, Any, Any, str]]:
    """Name, value, type and text of each parameter."""
    for group in dataclasses.fields(of):
        config = getattr(of, group.name)
        kinds, texts = get_type_hints(type(config)), field_docs(type(config))
        for each in dataclasses.fields(config):
            yield _prefix(group) + each.name, getattr(config, each.name), kinds[each.name], texts[each.name]


def _prefix(group: dataclasses.Field) -> str:
    return "" if group.name == "node" else f"{group.name}."


def _class(group: dataclasses.Field) -> type:
    return get_type_hints(Settings)[group.name]


def _to_ros(value: Any) -> bool | int | float | str | list[str]:
    """ROS has neither paths nor None, and an empty array has no type there."""
    if isinstance(value, tuple):
        return list(value) or [""]
    if value is None or isinstance(value, Path):
        return str(value or "")
    return value


def _from_ros(value: Any, kind: Any, name: str) -> Any:
    if kind == Path | None:
        return Path(value).expanduser() if value else None
    if kind == tuple[str, ...]:
        if isinstance(value, str) or not all(isinstance(each, str) for each in value or ()):
            raise ConfigError(f"{name} is {value!r}; expected a list of texts, such as [front, rear].")
        return tuple(filter(None, value or ()))
    if kind == Offered and isinstance(value, bool):
        value = str(value).lower()
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(get_args(kind))}.")
    return value


if __name__ == "__main__":
    tables = markdown(recognizer_parameters()) + "\n" + markdown(VIDEO_SOURCE)
    sys.stdout.write(parameter_file() if sys.argv[1:] == ["yaml"] else tables)
