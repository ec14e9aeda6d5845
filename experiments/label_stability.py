"""How often do the labels of faces change in a clip, frame by frame and smoothed?

python experiments/label_stability.py CLIP... [--model F] [--json F] [--config.track.smoothing-ms 300 ...]

Two trackers see the same faces and the same probabilities: one with the settings, and one that neither smooths nor
holds a label, so that its labels are the top ones of each frame. A change counts where a track has another label than
in the frame before; a face-second is a second of one track. A clip takes about as long as it lasts.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from femo_jax import EmotionRecognizer
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.live.config import DetectorConfig, StreamConfig
from femo_jax.live.detection.crop import crop_faces
from femo_jax.live.detection.search import FaceSearch
from femo_jax.live.picture import Picture
from femo_jax.live.results import FaceEmotion
from femo_jax.live.sources import Source, open_source
from femo_jax.live.tracking.tracks import Tracker


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


@dataclass
class Stability:
    """The labels of one or more clips: the top ones of each frame, and those that are shown."""

    tracks: int = 0
    raw: Labels = field(default_factory=Labels)
    shown: Labels = field(default_factory=Labels)

    @property
    def face_seconds(self) -> float:
        """Seconds of all tracks together."""
        return sum(self.shown.seconds.values())

    def summary(self) -> dict:
        """What is to be told: changes a face-second, and the share of the time of each label."""
        total = self.face_seconds
        shares = {label: seconds / total for label, seconds in self.shown.seconds.items()}
        return {
            "tracks": self.tracks,
            "face_seconds": total,
            "raw_changes": self.raw.changes / total,
            "shown_changes": self.shown.changes / total,
            "labels": dict(sorted(shares.items(), key=lambda item: -item[1])),
        }


def measure(clip: Source, recognizer: EmotionRecognizer, config: StreamConfig, results: Sequence[Stability]) -> None:
    """Follows the faces of a clip and adds to all `results` how often their labels change."""
    search = FaceSearch(recognizer.detector, config.search)
    tracker = Tracker(config.track)
    raw_tracker = Tracker(replace(config.track, smoothing_ms=0.0, hysteresis=0.0))
    shown: dict[int, str] = {}
    raw: dict[int, str] = {}
    tracks: set[int] = set()
    time = 0.0
    for frame in clip:
        picture = Picture(frame.image)
        found, _ = search.find(picture, frame.time, tracker.boxes())
        sightings = tracker.associate(frame.time, found)
        crops = crop_faces(picture.grey, [sighting.box for sighting in sightings], recognizer.detector.geometry)
        probabilities = recognizer.classify(crops)
        tracker.observe(sightings, probabilities)
        raw_tracker.observe(raw_tracker.associate(frame.time, found), probabilities)

        elapsed, time = frame.time - time, frame.time
        shown_before, shown = shown, labels_by_track(tracker.faces(picture.width, picture.height))
        raw_before, raw = raw, labels_by_track(raw_tracker.faces(picture.width, picture.height))
        for result in results:
            result.shown.add(shown_before, shown, elapsed)
            result.raw.add(raw_before, raw, elapsed)
            result.tracks += len(shown.keys() - tracks)
        tracks |= shown.keys()


def labels_by_track(faces: Sequence[FaceEmotion]) -> dict[int, str]:
    """The label of each tracked face."""
    return {face.track_id: face.label for face in faces if face.track_id is not None}


@dataclass(frozen=True)
class Options:
    """Counts how often the labels of faces change, frame by frame and smoothed."""

    clips: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The clips."""
    model: Path | None = None
    """Model file; default: the one that ships with femo."""
    json: Path | None = None
    """Write what was measured to this file."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    config: StreamConfig = field(default_factory=StreamConfig)


def main(options: Options) -> None:
    """Measures clip after clip and prints a line for each, and one for all of them."""
    if not options.clips:
        raise FemoError("no clip given; name at least one.")
    recognizer = EmotionRecognizer.load(options.model, options.detector)
    together = Stability()
    results = {}
    for path in options.clips:
        result = Stability()
        with open_source(path) as clip:
            measure(clip, recognizer, options.config, [result, together])
        if not result.face_seconds:
            raise FemoError(f"{path}: no face in two frames that follow each other; nothing to measure.")
        results[path.name] = result.summary()
    results["together"] = together.summary()
    table = Table("clip", "tracks", "face-seconds", "raw", "shown", "fewer", title="changes of the label a face-second")
    for name, result in results.items():
        raw, shown = result["raw_changes"], result["shown_changes"]
        seconds, fewer = f"{result['face_seconds']:.1f}", f"{raw / shown:.1f}x" if shown else "none left"
        table.add_row(name, str(result["tracks"]), seconds, f"{raw:.2f}", f"{shown:.2f}", fewer)
    console = Console()
    console.print(table)
    for name, result in results.items():
        console.print(f"{name}:", ", ".join(f"{label} {share:.0%}" for label, share in result["labels"].items()))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
