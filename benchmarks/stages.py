"""Time of each stage of recognition in a stream, from the JPEG of a camera to the JPEG and the log line that go out.

python benchmarks/stages.py --scenes FOLDER [--json F]
python benchmarks/stages.py --clips FILE ...

Each scene is played several times, and of each stage of a frame its shortest time counts: the work is the same in each
round, and other programs can only make it longer. Medians and percentiles are over frames. Here stages follow each
other; in use the network classifies known faces while the detector scans for new ones.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import tyro
from frames import scene_files, scene_frames
from harness import ProcessorTime, machine
from rich.console import Console
from rich.table import Table

from femo_jax import EmotionRecognizer
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.live import stream as stream_module
from femo_jax.live.config import DetectorConfig, StreamConfig
from femo_jax.live.drawing.draw import draw
from femo_jax.live.image import InputImage
from femo_jax.live.output.records import frame_record

STAGES = ("decode", "grey", "scan", "close look", "crop", "network", "tracking", "drawing", "output")
"""In the order in which a frame goes through them. *Tracking* is all of the stream that is none of the others."""

RECOGNITION = STAGES[1:7]
"""Those that `EmotionStream` does; a benchmark of recognition alone times these."""

_METHODS = {
    "detect": "scan",
    "detect_first": "scan",
    "detect_part": "scan",
    "detect_near": "close look",
    "_look": "close look",
}
"""Methods of detectors and their stages; those of the second kind are also called within the first."""

_JPEG_QUALITY = 90


class Stopwatch:
    """Milliseconds by stage; a stage within another counts as its own alone.

    Attributes:
      milliseconds: so far.
    """

    def __init__(self) -> None:
        """Begins at 0."""
        self._nested = 0.0
        self.reset()

    def reset(self) -> None:
        """Begins again at 0."""
        self.milliseconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block belongs to a stage."""
        outer, self._nested = self._nested, 0.0
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = 1e3 * (time.perf_counter() - began)
            self.milliseconds[name] += spent - self._nested
            self._nested = outer + spent

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose calls belong to a stage."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return call


class AtOnce(Executor):
    """Calls a function when it is submitted, instead of in a thread beside the stages that follow."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """A future that is done."""
        future: Future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@dataclass(frozen=True)
class Measured:
    """A scene.

    Attributes:
      milliseconds: `[frames, stages] float64`.
      cpu_ms: processor time of a frame over all threads, in the mean over frames: that of the round with the least.
      faces: shown, in the mean over frames.
    """

    milliseconds: np.ndarray
    cpu_ms: float
    faces: float


@dataclass(frozen=True)
class Options:
    """Times the stages of recognition, frame by frame."""

    scenes: Path | None = None
    """Folder of images and clips."""
    clips: tuple[Path, ...] = ()
    """Further images and clips."""
    json: Path | None = None
    """Write what was measured to this file."""
    rounds: int = 5
    """How often each scene is played."""
    image_frames: int = 60
    """How many frames an image is shown for."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    config: StreamConfig = field(default_factory=StreamConfig)


def measure(options: Options) -> dict[str, Measured]:
    """Plays each scene and times its stages, by the name of its file.

    Raises:
      FemoError: there is no scene, or one cannot be read.
    """
    paths = [*(scene_files(options.scenes) if options.scenes else ()), *options.clips]
    if not paths:
        raise FemoError("nothing to measure: name a folder of images and clips (--scenes), or files (--clips).")
    watch, recognizer = Stopwatch(), EmotionRecognizer.load(detector=options.detector)
    for method, stage in _METHODS.items():
        if hasattr(recognizer.detector, method):
            setattr(recognizer.detector, method, watch.timed(stage, getattr(recognizer.detector, method)))
    recognizer.classify = watch.timed("network", recognizer.classify)  # pyright: ignore[reportAttributeAccessIssue]
    results = {}
    with (
        mock.patch.object(stream_module, "crop_faces", watch.timed("crop", stream_module.crop_faces)),
        mock.patch.object(stream_module, "crop_contrast", watch.timed("crop", stream_module.crop_contrast)),
        mock.patch.object(stream_module, "ThreadPoolExecutor", lambda *_: AtOnce()),
    ):
        for name, frames in scene_frames(paths, options.image_frames):
            jpegs = [(_jpeg(frame.image), frame.time) for frame in frames]
            play(jpegs[:10], recognizer, options.config, watch)  # warms up
            rounds = [play(jpegs, recognizer, options.config, watch) for _ in range(options.rounds)]
            results[name] = Measured(
                np.min([each.milliseconds for each in rounds], axis=0),
                min(each.cpu_ms for each in rounds),
                rounds[0].faces,
            )
    return results


def play(
    jpegs: Sequence[tuple[np.ndarray, float]], recognizer: EmotionRecognizer, config: StreamConfig, watch: Stopwatch
) -> Measured:
    """Sends frames, JPEGs with their times in seconds, through a new stream."""
    stream, rows, faces = recognizer.stream(config), [], 0
    cpu = time.process_time()
    for index, (jpeg, seconds) in enumerate(jpegs):
        watch.reset()
        with watch.stage("decode"):
            image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        with watch.stage("grey"):
            frame = InputImage(image)
            frame.grey  # noqa: B018 - made when it is first asked for
        with watch.stage("tracking"):
            result = stream(frame, seconds)
        with watch.stage("drawing"):
            drawn = draw(image, result.faces)
        with watch.stage("output"):
            _jpeg(drawn)
            json.dumps(frame_record(index, result))
        rows.append([watch.milliseconds[stage] for stage in STAGES])
        faces += len(result.faces)
    cpu_ms = 1e3 * (time.process_time() - cpu) / len(jpegs)
    return Measured(np.array(rows), cpu_ms, faces / len(jpegs))


def _jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]


def summary(scenes: Sequence[Measured]) -> dict:
    """Frames, faces a frame and times in ms: median, 95th percentile and mean of each stage and of some together."""
    times = np.concatenate([scene.milliseconds for scene in scenes])
    frames = [len(scene.milliseconds) for scene in scenes]
    recognition = times[:, [STAGES.index(stage) for stage in RECOGNITION]].sum(axis=1)
    return {
        "frames": len(times),
        "faces": float(np.average([scene.faces for scene in scenes], weights=frames)),
        "cpu_ms": float(np.average([scene.cpu_ms for scene in scenes], weights=frames)),
        "stages": {stage: _spread(times[:, column]) for column, stage in enumerate(STAGES)},
        "recognition": _spread(recognition),
        "frame": _spread(times.sum(axis=1)),
    }


def _spread(milliseconds: np.ndarray) -> dict[str, float]:
    median, p95 = np.percentile(milliseconds, [50, 95])
    return {"median_ms": float(median), "p95_ms": float(p95), "mean_ms": float(milliseconds.mean())}


def main(options: Options) -> None:
    """Measures, and prints a table of stages over all scenes and a line for each scene."""
    others = ProcessorTime()
    began = time.process_time()
    measured = measure(options)
    share = others.share_beside(time.process_time() - began)
    together = summary(list(measured.values()))
    scenes = {name: summary([each]) for name, each in measured.items()}
    table = Table("stage", "median, ms", "95th percentile, ms", "mean, ms")
    rows = [*together["stages"].items(), *((name, together[name]) for name in ("recognition", "frame"))]
    for name, of in rows:
        table.add_row(name, *(f"{of[key]:.2f}" for key in ("median_ms", "p95_ms", "mean_ms")))
    console = Console()
    console.print(table)
    for name, of in scenes.items():
        median, p95 = of["recognition"]["median_ms"], of["recognition"]["p95_ms"]
        console.print(
            f"{name}: {of['frames']} frames, {of['faces']:.1f} faces; recognition {median:.1f} ms, 95th percentile"
            f" {p95:.1f} ms ({p95 / median:.1f}x)"
        )
    console.print(f"other programs took {share:.0%} of the processors' time")
    if options.json:
        report = {"together": together, "scenes": scenes, "rounds": options.rounds, "machine": machine()}
        report["machine"]["others"] = share
        write_json(options.json, report)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
