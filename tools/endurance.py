"""An hour of frames: does memory stay flat, and is nothing compiled after the warm-up?

python tools/endurance.py [--frames 100000] [--json F]

The clip of `make demo` runs in a loop through the whole of a stream: search, tracks, crops and network. Only detection
is thinned out: the real detector scans a frame now and then, and its boxes are repeated with a jitter in between,
while a crowd comes and goes, so that tracks are born and lost and every batch size of the network is used.
"""

import math
import sys
import time as clock
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax.monitoring
import numpy as np
import tyro
from demo_clip import FRAMES_PER_SECOND, frames
from rich.console import Console
from skimage.data import astronaut

from femo_jax import EmotionRecognizer
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.live.detection import Detector
from femo_jax.live.image import Box, InputImage, overlaps

WARM_UP = 0.1
"""Share of the frames after which memory and compilations count."""

ALLOWED_MIB = 4.0
"""How much memory may grow after the warm-up: what the allocator's fragments may come to."""

CROWD = [Box(20 + 125 * column, 20 + 115 * row, 90, 90) for row in range(4) for column in range(5)]
CROWD_SIZES = (0, 0, 1, 0, 2, 0, 0, 5, 0, 20, 0, 1, 0, 0, 3)
"""Faces beside those of the clip, for twenty frames each."""


class Compilations:
    """Counts what JAX traces, lowers or compiles from now on."""

    def __init__(self) -> None:
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **details: object) -> None:
        self.count += event.startswith("/jax/core/compile/")


class ThinnedDetector:
    """Gives the faces that a detector found some frames ago, and a crowd, both with jitter and misses."""

    def __init__(self, detector: Detector, every: int) -> None:
        """Lets `detector` scan one frame in `every`."""
        self.geometry = detector.geometry
        self._detector = detector
        self._every = every
        self._random = np.random.default_rng(0)
        self._found: list[Box] = []
        self._present: list[Box] = []

    def advance(self, image: InputImage, index: int) -> None:
        """Goes on to the frame with this number."""
        if index % self._every == 0:
            self._found = self._detector.detect(image)
        crowd = CROWD[: CROWD_SIZES[index // 20 % len(CROWD_SIZES)]]
        seen = [box for box in self._found + crowd if self._random.random() > 0.05]
        self._present = [self._jittered(box).clipped(image.width, image.height) for box in seen]

    def detect(self, image: InputImage, *, still: bool = True) -> list[Box]:
        """All faces of the frame."""
        return list(self._present)

    def detect_near(
        self, image: InputImage, boxes: Sequence[Box], window_scale: float, scale_range: float
    ) -> list[Box | None]:
        """For each known box the face that overlaps it most, or None."""
        if not self._present:
            return [None] * len(boxes)
        shared = overlaps(boxes, self._present)
        return [self._present[row.argmax()] if row.max() > 0.3 else None for row in shared]

    def _jittered(self, box: Box) -> Box:
        x, y, size = self._random.normal(0, 0.02 * box.w, 3)
        return Box(box.x + x, box.y + y, box.w + size, box.h + size).rounded()


@dataclass(frozen=True)
class Endurance:
    """What a long run showed.

    Attributes:
      frames: that went through the stream.
      seconds: that it took.
      faces: shown, over all frames.
      tracks: that were born.
      compilations: after the warm-up.
      resident_mib: memory of the process, sampled at equal distances after the warm-up.
      growth_mib: of the straight line through these samples, from the first to the last.
    """

    frames: int
    seconds: float
    faces: int
    tracks: int
    compilations: int
    resident_mib: list[float]
    growth_mib: float

    def failures(self) -> list[str]:
        """What must not be, in words."""
        failures = []
        if self.compilations:
            failures.append(f"{self.compilations} compilations after the warm-up; expected none")
        if self.growth_mib > ALLOWED_MIB:
            failures.append(f"memory grew by {self.growth_mib:.1f} MiB; allowed are {ALLOWED_MIB:g}")
        return failures


def endure(
    recognizer: EmotionRecognizer, clip: Sequence[np.ndarray], count: int, detect_every: int, samples: int = 200
) -> Endurance:
    """Sends `count` frames of a looped clip through a stream of `recognizer`, whose detector is thinned out.

    Args:
      recognizer: its detector is replaced.
      clip: frames `[h, w, 3] uint8` BGR.
      count: of frames to send.
      detect_every: the real detector scans one frame in so many.
      samples: how often memory is looked at after the warm-up.
    """
    detector = ThinnedDetector(recognizer.detector, detect_every)
    recognizer.detector = detector
    stream = recognizer.stream()
    compilations = Compilations()
    warm = math.ceil(WARM_UP * count)
    sampled = set(np.linspace(warm, count - 1, samples).astype(int).tolist())
    resident: list[float] = []
    faces, tracks, warming = 0, 0, 0
    started = clock.perf_counter()
    for index in range(count):
        if index == warm:
            warming = compilations.count
        image = InputImage(clip[index % len(clip)])
        detector.advance(image, index)
        result = stream(image, index / FRAMES_PER_SECOND)
        faces += len(result.faces)
        tracks = max([tracks, *(face.track_id or 0 for face in result.faces)])
        if index in sampled:
            resident.append(resident_mib())
    slope = np.polyfit(np.arange(len(resident)), resident, 1)[0]
    return Endurance(
        frames=count,
        seconds=clock.perf_counter() - started,
        faces=faces,
        tracks=tracks,
        compilations=compilations.count - warming,
        resident_mib=resident,
        growth_mib=float(slope * (len(resident) - 1)),
    )


def resident_mib() -> float:
    """The memory of this process, in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmRSS:"))) / 1024


@dataclass(frozen=True)
class Options:
    """Sends an hour of frames through a stream and looks at memory and compilations."""

    frames: int = 100_000
    """How many frames."""
    detect_every: int = 50
    """The real detector scans one frame in so many."""
    json: Path | None = None
    """Write what was measured to this file."""


def main(options: Options) -> None:
    """Runs, prints, and fails where memory grew or something was compiled."""
    # Every other frame of the clip, turned to BGR.
    clip = [np.ascontiguousarray(frame[..., ::-1]) for frame in list(frames(astronaut()))[::2]]
    result = endure(EmotionRecognizer.load(), clip, options.frames, options.detect_every)
    console = Console()
    console.print(
        f"{result.frames:,} frames in {result.seconds:.0f} s: {result.faces:,} faces shown, {result.tracks:,} tracks.\n"
        f"After the first {WARM_UP:.0%}: {result.compilations} compilations; memory from {result.resident_mib[0]:.1f}"
        f" to {result.resident_mib[-1]:.1f} MiB, by a straight line {result.growth_mib:+.2f} MiB."
    )
    if options.json:
        write_json(options.json, asdict(result))
    if failures := result.failures():
        raise FemoError("; ".join(failures))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
