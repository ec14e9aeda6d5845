"""What is lost where a face is classified now and then: `TrackConfig.classify_every_ms`.

python benchmarks/classification.py --scenes FOLDER [--fer2013 fer2013.zip] [--json F]

Trackers with different settings see the same faces of each image and clip and the same probabilities. The labels of
each are compared with those of the tracker that classifies every face in every frame: the share of the time with the
same label, how much later a change is shown, and how often labels change. A face-second is a second of one track.

With FER-2013, a resting face at 30 Hz changes from one image of PublicTest to another, whose top label is another: the
time until the label follows, over pairs and over the turns of the face.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro
from frames import HEIGHT, WIDTH, SceneFrame, scene_files, scene_frames
from rich.console import Console
from rich.table import Table

from femo_jax import EmotionRecognizer
from femo_jax.data.forms import iterate_faces
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.live.config import DetectorConfig, StreamConfig, TrackConfig
from femo_jax.live.image import Box, InputImage, crop_faces
from femo_jax.live.results import FaceEmotion
from femo_jax.live.stream import FaceSearch
from femo_jax.live.tracking import Sighting, Tracker

EVERY_FRAME = 0.0
"""The setting that the others are compared with."""

RATE = 30
"""Frames a second of the face that changes."""

BEFORE, AFTER = 2.0, 3.0
"""Seconds for which it shows the first image, and the second."""

PAIRS = 500


@dataclass
class Side:
    """A tracker and what its labels came to.

    Attributes:
      tracker: with its setting.
      seconds: of all its faces.
      same: those of them with the label that the tracker of every frame shows.
      certain: seconds in which that one is not uncertain.
      same_certain: those of them with the same label.
      changes: how often a face had another label than in the frame before.
      classified: faces, over all frames.
      most: faces that were classified in one frame, but for frames in which all of them were.
      delays: seconds by which changes were shown later.
      unseen: changes that were over before they were shown.
    """

    tracker: Tracker
    seconds: float = 0.0
    same: float = 0.0
    certain: float = 0.0
    same_certain: float = 0.0
    changes: int = 0
    classified: int = 0
    most: int = 0
    delays: list[float] = field(default_factory=list)
    unseen: int = 0
    _shown: dict[int, str] = field(default_factory=dict)
    _awaited: dict[int, tuple[str, float]] = field(default_factory=dict)

    def observe(self, sightings: Sequence[Sighting], probabilities: np.ndarray) -> None:
        """Takes the faces of a frame with `[n, c]` probabilities, and uses those that are due."""
        due = {sighting.key for sighting in self.tracker.due(sightings)}
        rows = [row for row, sighting in enumerate(sightings) if sighting.key in due]
        self.tracker.observe([sightings[row] for row in rows], probabilities[rows])
        self.classified += len(rows)
        if len(rows) < len(sightings):
            self.most = max(self.most, len(rows))

    def compare(
        self, shown: dict[int, FaceEmotion], before: dict[int, str], every: dict[int, FaceEmotion], elapsed: float
    ) -> None:
        """Compares what is shown after a frame.

        Args:
          shown: by this tracker, by number of the track.
          before: labels that the tracker of every frame showed after the frame before.
          every: what it shows now.
          elapsed: seconds since the frame before.
        """
        labels = labels_of(shown)
        for track in labels.keys() & self._shown.keys() & every.keys():
            is_same, is_certain = labels[track] == every[track].label, not every[track].uncertain
            self.seconds += elapsed
            self.same += elapsed * is_same
            self.certain += elapsed * is_certain
            self.same_certain += elapsed * (is_same and is_certain)
            self.changes += labels[track] != self._shown[track]
        for track, face in every.items():
            if before.get(track, face.label) != face.label:
                self._awaited[track] = face.label, 0.0
        for track, (label, waited) in list(self._awaited.items()):
            if labels.get(track) == label:
                self.delays.append(waited)
                del self._awaited[track]
            elif track not in every or every[track].label != label:
                self.unseen += 1
                del self._awaited[track]
            else:
                self._awaited[track] = label, waited + elapsed
        self._shown = labels


def labels_of(faces: dict[int, FaceEmotion]) -> dict[int, str]:
    """The labels of faces by the numbers of their tracks."""
    return {track: face.label for track, face in faces.items()}


def faces_of(tracker: Tracker) -> dict[int, FaceEmotion]:
    """The faces that a tracker shows in a 640x480 frame, by the numbers of their tracks."""
    return {face.track_id: face for face in tracker.faces(WIDTH, HEIGHT) if face.track_id is not None}


@dataclass(frozen=True)
class Options:
    """Compares labels of faces that are classified now and then with those of every frame."""

    scenes: Path
    """Folder of images and clips."""
    fer2013: Path | None = None
    """FER-2013 in any form that has PublicTest, for the delay of changes."""
    json: Path | None = None
    """Write what was measured to this file."""
    image_frames: int = 150
    """How many frames an image is shown for."""
    every: tuple[float, ...] = (50.0, 75.0, 100.0, 150.0, 200.0, 300.0)
    """Settings that are compared, in milliseconds."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    config: StreamConfig = field(default_factory=StreamConfig)


def follow(
    frames: Iterable[SceneFrame], recognizer: EmotionRecognizer, config: StreamConfig, settings: Sequence[float]
) -> dict[float, Side]:
    """Follows the faces of a scene with each setting, one of which is `EVERY_FRAME`."""
    sides = {every: Side(Tracker(replace(config.track, classify_every_ms=every))) for every in settings}
    reference = sides[EVERY_FRAME].tracker
    search = FaceSearch(recognizer.detector, config.search)
    labels: dict[int, str] = {}
    time = 0.0
    for frame in frames:
        image = InputImage(frame.image)
        found, _ = search.find(image, frame.time, reference.boxes(), reference.born())
        sightings = {every: side.tracker.associate(frame.time, found) for every, side in sides.items()}
        boxes = [sighting.box for sighting in sightings[EVERY_FRAME]]
        crops = crop_faces(image.grey, boxes, recognizer.detector.geometry, recognizer.model.image_size)
        probabilities = recognizer.classify(crops)
        for every, side in sides.items():
            side.observe(sightings[every], probabilities)
        elapsed, time = frame.time - time, frame.time
        shown = faces_of(reference)
        for side in sides.values():
            side.compare(faces_of(side.tracker), labels, shown, elapsed)
        labels = labels_of(shown)
    return sides


def agreement(sides: Sequence[Side]) -> dict[str, float]:
    """Results of one setting over scenes.

    Raises:
      FemoError: no face was seen for long enough to be certain.
    """
    seconds = sum(side.seconds for side in sides)
    certain = sum(side.certain for side in sides)
    if not certain:
        raise FemoError("no face was seen for long enough; nothing to measure.")
    delays = [delay for side in sides for delay in side.delays]
    return {
        "face_seconds": seconds,
        "same_label": sum(side.same for side in sides) / seconds,
        "certain_face_seconds": certain,
        "same_label_certain": sum(side.same_certain for side in sides) / certain,
        "label_changes": sum(side.changes for side in sides) / seconds,
        "classifications": sum(side.classified for side in sides) / seconds,
        "most_in_a_frame": max(side.most for side in sides),
        "changes_shown": len(delays),
        "changes_not_shown": sum(side.unseen for side in sides),
        "mean_delay_ms": 1e3 * float(np.mean(delays)) if delays else 0.0,
        "p95_delay_ms": 1e3 * float(np.percentile(delays, 95)) if delays else 0.0,
    }


def public_test(path: Path, recognizer: EmotionRecognizer) -> np.ndarray:
    """Probabilities `[n, c]` of PublicTest.

    Raises:
      FemoError: there is none.
    """
    images = [face.image for face in iterate_faces(path) if face.split == "validation"]
    if not images:
        raise FemoError(f"{path}: has no PublicTest; expected FER-2013.")
    return recognizer.classify(np.stack(images))


def pairs(probabilities: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows with different top labels, drawn with a fixed seed."""
    random = np.random.default_rng(0)
    for _ in range(count):
        first = probabilities[random.integers(len(probabilities))]
        others = np.flatnonzero(probabilities.argmax(axis=1) != first.argmax())
        yield first, probabilities[random.choice(others)]


def change_delay(config: TrackConfig, first: np.ndarray, second: np.ndarray, turn: int) -> float:
    """Seconds from a resting face's first frame with other probabilities to the label that shows them.

    Args:
      config: of the tracker.
      first: probabilities `[c]` before.
      second: after; the top label is another.
      turn: frames by which the face shows the first longer.

    Returns:
      The delay; infinite where the label does not follow in `AFTER` seconds.
    """
    tracker, box = Tracker(config), Box(100, 100, 100, 100)
    change = round(BEFORE * RATE) + turn
    name = tracker.class_names[int(second.argmax())]
    for frame in range(change + round(AFTER * RATE)):
        due = tracker.due(tracker.associate(frame / RATE, [box]))
        tracker.observe(due, np.stack([first if frame < change else second] * len(due)) if due else np.zeros((0, 7)))
        if frame >= change and labels_of(faces_of(tracker)) == {1: name}:
            return (frame - change) / RATE
    return np.inf


def delays(config: TrackConfig, probabilities: np.ndarray) -> dict[str, float]:
    """Delays of label changes over pairs of faces: of all, and of those that follow in `AFTER` seconds."""
    of = np.array(
        [
            change_delay(config, first, second, turn % RATE)
            for turn, (first, second) in enumerate(pairs(probabilities, PAIRS))
        ]
    )
    followed = 1e3 * of[np.isfinite(of)]
    return {
        "pairs": len(of),
        "followed": float(np.isfinite(of).mean()),
        "within_500_ms": float((of < 0.5).mean()),
        "median_ms": float(np.median(followed)),
        "p95_ms": float(np.percentile(followed, 95)),
    }


def main(options: Options) -> None:
    """Measures, and prints a line for each setting."""
    settings = (EVERY_FRAME, *options.every)
    recognizer = EmotionRecognizer.load(detector=options.detector)
    by_setting: dict[float, list[Side]] = defaultdict(list)
    paths = scene_files(options.scenes)
    for _, frames in scene_frames(paths, options.image_frames):
        for every, side in follow(frames, recognizer, options.config, settings).items():
            by_setting[every].append(side)
    result: dict[str, dict] = {f"{every:g}": {"scenes": agreement(sides)} for every, sides in by_setting.items()}
    if options.fer2013 is not None:
        probabilities = public_test(options.fer2013, recognizer)
        for every in settings:
            config = replace(options.config.track, classify_every_ms=every)
            result[f"{every:g}"]["change"] = delays(config, probabilities)
    print_result(result, Console())
    if options.json:
        write_json(options.json, {"scenes": [path.name for path in paths], "every_ms": result})


def print_result(result: dict[str, dict], console: Console) -> None:
    """Prints a table of what the scenes gave, changes and classifications a face-second, and lines about changes."""
    table = Table("every, ms", "same label", "if certain", "changes", "classified", "later by, ms", "95 %")
    for every, of in result.items():
        scenes = of["scenes"]
        table.add_row(
            every,
            f"{scenes['same_label']:.2%}",
            f"{scenes['same_label_certain']:.2%}",
            f"{scenes['label_changes']:.3f}",
            f"{scenes['classifications']:.1f}",
            f"{scenes['mean_delay_ms']:.0f}",
            f"{scenes['p95_delay_ms']:.0f}",
        )
    console.print(table)
    for every, of in result.items():
        if "change" in of:
            change = of["change"]
            console.print(
                f"{every} ms: another face is shown after {change['median_ms']:.0f} ms (95 %: {change['p95_ms']:.0f}),"
                f" {change['within_500_ms']:.1%} within half a second"
            )


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
