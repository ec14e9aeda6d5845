"""Follows the faces of clips as `femo live` does, and counts their labels: frame by frame, and as they are shown.

Two trackers see the same faces and the same probabilities: one with the settings, and one that neither smooths nor
holds a label, so that its labels are the top ones of each frame. A change counts where a track has another label than
in the frame before; a face-second is a second of one track. A clip takes about as long as it lasts.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from femo_jax import EmotionRecognizer
from femo_jax.errors import FemoError
from femo_jax.live.config import DetectorConfig, StreamConfig
from femo_jax.live.image import InputImage, crop_faces
from femo_jax.live.results import FaceEmotion
from femo_jax.live.sources import FrameSource, open_source
from femo_jax.live.stream import FaceSearch
from femo_jax.live.tracking import Tracker

TOGETHER = "together"
"""The name of all clips as one."""


@dataclass
class Labels:
    """How labels went from frame to frame.

    Attributes:
      changes: how often a face had another label than in the frame before.
      seconds: for how long each label was there, summed over all faces.
    """

    changes: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, before: dict[int, str], now: dict[int, str], elapsed: float) -> None:
        """Takes the labels of two frames by track, `elapsed` seconds apart."""
        for track in before.keys() & now.keys():
            self.changes += before[track] != now[track]
            self.seconds[now[track]] += elapsed

    @property
    def shares(self) -> dict[str, float]:
        """The share of the time of each label, the most frequent first."""
        total = sum(self.seconds.values())
        return dict(sorted(((label, seconds / total) for label, seconds in self.seconds.items()), key=lambda x: -x[1]))


@dataclass
class ClipLabels:
    """The labels of one or more clips: the top ones of each frame, and those that are shown."""

    tracks: int = 0
    raw: Labels = field(default_factory=Labels)
    shown: Labels = field(default_factory=Labels)

    @property
    def face_seconds(self) -> float:
        """Seconds of all tracks together."""
        return sum(self.shown.seconds.values())


@dataclass(frozen=True)
class Options:
    """What is followed, and how."""

    clips: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The clips."""
    model: str | None = None
    """A model that ships with femo, by its name, or a model file; default: femo's default."""
    json: Path | None = None
    """Write what was measured to this file."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    config: StreamConfig = field(default_factory=StreamConfig)


def labels_of_clips(options: Options) -> dict[str, ClipLabels]:
    """The labels of each clip by its file's name, and of all of them under `TOGETHER`.

    Raises:
      FemoError: no clip is named, two have one name, one cannot be read, or has no face in two frames that follow each
        other.
    """
    if not options.clips:
        raise FemoError("no clip given; name at least one.")
    names = [path.name for path in options.clips]
    for name in names:
        if names.count(name) > 1 or name == TOGETHER:
            raise FemoError(f"{name}: clips are identified by their files' names, and this one is taken; rename it.")
    recognizer = EmotionRecognizer.load(options.model, options.detector)
    results, together = {}, ClipLabels()
    for path in options.clips:
        result = ClipLabels()
        with open_source(path) as clip:
            measure(clip, recognizer, options.config, [result, together])
        if not result.face_seconds:
            raise FemoError(f"{path}: no face in two frames that follow each other; nothing to measure.")
        results[path.name] = result
    return results | {TOGETHER: together}


def measure(
    clip: FrameSource, recognizer: EmotionRecognizer, config: StreamConfig, results: Sequence[ClipLabels]
) -> None:
    """Follows the faces of a clip and adds to all `results` how often their labels change."""
    search = FaceSearch(recognizer.detector, config.search)
    tracker = Tracker(config.track)
    raw_tracker = Tracker(replace(config.track, smoothing_ms=0.0, hysteresis=0.0))
    shown: dict[int, str] = {}
    raw: dict[int, str] = {}
    tracks: set[int] = set()
    time = 0.0
    for frame in clip:
        image = InputImage(frame.image)
        found, _ = search.find(image, frame.time, tracker.boxes(), tracker.born())
        sightings = tracker.associate(frame.time, found)
        crops = crop_faces(image.grey, [sighting.box for sighting in sightings], recognizer.detector.geometry)
        probabilities = recognizer.classify(crops)
        due = {sighting.key for sighting in tracker.due(sightings)}
        rows = [row for row, sighting in enumerate(sightings) if sighting.key in due]
        tracker.observe([sightings[row] for row in rows], probabilities[rows])
        raw_tracker.observe(raw_tracker.associate(frame.time, found), probabilities)

        elapsed, time = frame.time - time, frame.time
        shown_before, shown = shown, labels_by_track(tracker.faces(image.width, image.height))
        raw_before, raw = raw, labels_by_track(raw_tracker.faces(image.width, image.height))
        for result in results:
            result.shown.add(shown_before, shown, elapsed)
            result.raw.add(raw_before, raw, elapsed)
            result.tracks += len(shown.keys() - tracks)
        tracks |= shown.keys()


def labels_by_track(faces: Sequence[FaceEmotion]) -> dict[int, str]:
    """The label of each tracked face."""
    return {face.track_id: face.label for face in faces if face.track_id is not None}
