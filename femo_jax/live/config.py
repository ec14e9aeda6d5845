"""The settings of live recognition; each field documents itself, as an option of the command line too.

A face's size is given in pixels where it is above 1, and as a fraction of the image's shorter side up to 1.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from femo_jax.errors import ConfigError

STILL_MIN_SIZE = 50.0
"""Pixels to which the smallest face of a still is limited where the setting is a fraction."""


@dataclass(frozen=True)
class DetectorConfig:
    """How faces are found in an image."""

    kind: Literal["haar", "yunet"] = "haar"
    """OpenCV's Haar cascade, or YuNet, a small network that finds turned faces as well."""
    model: Path | None = None
    """Cascade file for haar (default: OpenCV's frontal face alt2), ONNX file for yunet (default: the published model,
    which is fetched once into femo's cache)."""
    min_size: float = 0.09
    """Side of the smallest face: pixels where above 1, else a fraction of the shorter side; in stills, a fraction
    stands for at most 50 pixels."""
    max_size: float = 1.0
    """Side of the largest face: pixels where above 1, else a fraction of the shorter side."""
    scale_factor: float = 1.2
    """haar: step from one size of face to the next; nearer to 1 finds more and takes longer."""
    min_neighbors: int = 3
    """haar: overlapping hits that make a face; more finds fewer false faces, and fewer true ones."""
    equalize: bool = False
    """haar: equalise the histogram first, for dark or pale frames."""
    score_threshold: float = 0.7
    """yunet: smallest score of a face, 0 to 1."""

    def __post_init__(self) -> None:
        """Refuses values that no detector can use, with ConfigError."""
        _among(self, "kind", ("haar", "yunet"))
        _between(self, "min_size", 0.0, math.inf, open_low=True)
        _between(self, "max_size", 0.0, math.inf, open_low=True)
        _between(self, "scale_factor", 1.01, 2.0)
        _between(self, "min_neighbors", 0, 100)
        _between(self, "score_threshold", 0.0, 1.0)
        same_unit = (self.min_size > 1) == (self.max_size > 1)
        if same_unit and self.min_size > self.max_size:
            raise ConfigError(
                f"min_size is {self.min_size:g} and max_size is {self.max_size:g}; expected min_size to be no larger."
            )

    def sizes(self, width: int, height: int, *, still: bool) -> tuple[float, float]:
        """Sides of the smallest and of the largest face that are searched for, in pixels.

        A group photograph has far more pixels than a camera's frame, and far smaller faces in proportion. A still may
        also take longer than a frame.

        Args:
          width: of the image, in pixels.
          height: of the image, in pixels.
          still: whether it stands alone; a frame of a stream does not.
        """
        shorter = min(width, height)
        smallest, largest = (size if size > 1 else size * shorter for size in (self.min_size, self.max_size))
        if still and self.min_size <= 1:
            smallest = min(smallest, STILL_MIN_SIZE)
        return smallest, largest


@dataclass(frozen=True)
class SearchConfig:
    """How faces are followed through a stream between the scans of whole frames."""

    full_scan_ms: float = 400.0
    """Milliseconds in which the whole frame is scanned for new faces: by haar a part in each frame, by yunet all in
    one; 0 scans every frame."""
    look_every_ms: float = 150.0
    """Milliseconds between two looks of the detector at a tracked face, spread over the frames; in between, its box
    follows the face by template matching, and what does not match is looked at at once; 0 looks in every frame."""
    window_scale: float = 1.6
    """Side of the window in which a known face is looked for, as a multiple of its last box."""
    scale_range: float = 1.2
    """Factor by which a known face may have grown or shrunk since it was last found."""

    def __post_init__(self) -> None:
        """Refuses values that make no sense, with ConfigError."""
        _between(self, "full_scan_ms", 0.0, 60_000.0)
        _between(self, "look_every_ms", 0.0, 60_000.0)
        _between(self, "window_scale", 1.1, 5.0)
        _between(self, "scale_range", 1.05, 3.0)


@dataclass(frozen=True)
class TrackConfig:
    """How a face keeps its number, and how its emotion is smoothed."""

    min_overlap: float = 0.2
    """Smallest intersection over union at which a found face belongs to a track."""
    min_hits: int = 2
    """Sightings in a row after which a track is shown."""
    max_age_ms: float = 600.0
    """Milliseconds without a sighting after which a track ends."""
    classify_every_ms: float = 100.0
    """Milliseconds between two classifications of a face, spread over the frames; new faces, and those that moved far,
    are classified at once; 0 classifies every face in every frame."""
    smoothing_ms: float = 400.0
    """Time constant of the probabilities' smoothing, in milliseconds; 0 does not smooth."""
    hysteresis: float = 0.15
    """By how much another emotion must be more probable before the label changes."""
    uncertain_below: float = 0.4
    """A face is uncertain while its confidence is below this."""
    min_contrast: float = 8.0
    """A face is uncertain while the grey levels (0 to 255) of its crop have a standard deviation below this, as in
    darkness; 0 turns the check off."""
    uncertain_for_ms: float = 200.0
    """A face is uncertain for its first milliseconds."""
    box_cutoff_hz: float = 1.0
    """Cutoff frequency of the One-Euro filter on a resting box; lower is steadier."""
    box_speed: float = 1.5
    """Hertz by which the cutoff grows for each box a second that the face moves; higher lags less."""

    def __post_init__(self) -> None:
        """Refuses values that make no sense, with ConfigError."""
        _between(self, "min_overlap", 0.0, 1.0, open_low=True)
        _between(self, "min_hits", 1, 100)
        _between(self, "max_age_ms", 0.0, 60_000.0)
        _between(self, "classify_every_ms", 0.0, 60_000.0)
        _between(self, "smoothing_ms", 0.0, 60_000.0)
        _between(self, "hysteresis", 0.0, 1.0)
        _between(self, "uncertain_below", 0.0, 1.0)
        _between(self, "min_contrast", 0.0, 128.0)
        _between(self, "uncertain_for_ms", 0.0, 60_000.0)
        _between(self, "box_cutoff_hz", 0.0, 1000.0, open_low=True)
        _between(self, "box_speed", 0.0, 1000.0)


@dataclass(frozen=True)
class DrawConfig:
    """What is drawn on a frame."""

    confidence: bool = True
    """Write the confidence beside the label."""
    ids: bool = True
    """Write the number of a tracked face before the label."""
    bars: bool = False
    """Draw a panel with the probabilities of all classes beside each face."""
    status: bool = True
    """Write frame rate and latency in the upper left corner."""
    scale: float = 1.0
    """Size of lines and text; 1 suits the frame."""

    def __post_init__(self) -> None:
        """Refuses values that make no sense, with ConfigError."""
        _between(self, "scale", 0.1, 10.0)


@dataclass(frozen=True)
class StreamConfig:
    """All settings of recognition in a stream."""

    search: SearchConfig = field(default_factory=SearchConfig)
    track: TrackConfig = field(default_factory=TrackConfig)


def _among(config: Any, name: str, allowed: tuple[str, ...]) -> None:
    value = getattr(config, name)
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")


def _between(config: Any, name: str, low: float, high: float, open_low: bool = False) -> None:
    value = getattr(config, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or (open_low and value == low):
        upper = "" if math.isinf(high) else f" and at most {high:g}"
        raise ConfigError(
            f"{name} is {value!r}; expected a number {'above' if open_low else 'of at least'} {low:g}{upper}."
        )
