"""Recognition in a stream of frames: the search for faces, tracks with IDs, and steady emotions."""

import math
import time as clock
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from femo_jax.live.config import SearchConfig, StreamConfig
from femo_jax.live.detection import Detector, DividedDetector
from femo_jax.live.following import FaceFollower
from femo_jax.live.image import SAME_OVERLAP, Box, InputImage, crop_contrast, crop_faces, overlaps, without_duplicates
from femo_jax.live.results import FrameResult
from femo_jax.live.tracking import Sighting, Tracker

if TYPE_CHECKING:
    from femo_jax.model_file import LoadedModel
    from femo_jax.onnx_model import OnnxModel


_CHANGE = 4.0
"""Grey levels by which a place must differ from what was searched last, to be searched again: noise stays below."""

_CHANGE_WIDTH = 160
"""Width in pixels of the images that are compared: noise averages out, and the smallest faces are ten pixels wide."""

_REFRESH_SCANS = 8
"""Scans after which a part is searched again in the whole frame, whether that has changed or not."""


class FaceSearch:
    """Finds the faces in each frame of a stream, in a fraction of the time that a search of all of it takes.

    The first frame is searched as a whole. Afterwards a scan is spread over the frames of `full_scan_ms` where the
    detector can divide it, so that no frame takes much longer than the others, and only what has changed is searched.
    The detector looks at a steady face once in `look_every_ms`; in between, its box is carried to where it matches.

    Attributes:
      config: how often the whole frame is searched, and how often and how far round a known face; may be replaced at
        any time.
    """

    def __init__(self, detector: Detector, config: SearchConfig) -> None:
        """Searches with `detector`; the first frame is searched as a whole."""
        self.config = config
        self._spread = _SpreadScan()
        self._follower = FaceFollower()
        self._scanned_at: float | None = None
        self._detector = detector
        self._divided = _divided(detector)

    @property
    def detector(self) -> Detector:
        """Finds the faces; another one looks at each known face first."""
        return self._detector

    @detector.setter
    def detector(self, detector: Detector) -> None:
        if detector is not self._detector:
            self._detector = detector
            self._divided = _divided(detector)
            self._follower.reset()

    def find(
        self, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box] = ()
    ) -> tuple[list[Box], bool]:
        """Finds the faces of the next frame.

        Args:
          frame: the frame.
          time: of the frame, in seconds on the stream's clock; where it jumps back, the whole frame is searched.
          known: where the faces of the frames before were last found.
          steady: those of them that need a look only once in `look_every_ms`.

        Returns:
          The boxes of the faces, one each, ordered by x, then by y; and whether a search of the whole frame ended with
          this frame.
        """
        if self._divided is not None and self.config.full_scan_ms > 0:
            found, ended = self._find_in_parts(self._divided, frame, time, known, steady)
        else:
            found, ended = self._find_at_once(frame, time, known, steady)
        if self.config.look_every_ms > 0:
            self._follower.keep(frame, time, found)
        return found, ended

    def reset(self) -> None:
        """Searches the whole of the next frame."""
        self._scanned_at = None
        self._follower.reset()

    def _find_at_once(
        self, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box]
    ) -> tuple[list[Box], bool]:
        due = self._due(time)
        found = []
        if due:
            self._scanned_at = time
            found = self.detector.detect(frame, still=False)
            # A scan of the whole frame is coarse: it may miss a face that is found when looked for.
            seen = overlaps(known, found).max(axis=1, initial=0.0) > SAME_OVERLAP
            known = [box for box, is_seen in zip(known, seen, strict=True) if not is_seen]
            steady = ()
        return sorted(without_duplicates([*found, *self._near(frame, time, known, steady)])), due

    def _find_in_parts(
        self, detector: DividedDetector, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box]
    ) -> tuple[list[Box], bool]:
        last, self._scanned_at = self._scanned_at, time
        near = self._near(frame, time, known, steady)
        if last is None or time < last or not self._spread.belongs_to(detector, frame):
            self._spread.begin(detector, frame)
            return sorted(without_duplicates([*detector.detect_first(frame), *near])), True
        searches, ended = self._spread.searches(frame, 1000 * (time - last) / self.config.full_scan_ms)
        new = []
        for part, region in searches:
            new += detector.detect_part(frame, part, region, [*known, *near, *new])
        return sorted(without_duplicates([*near, *new])), ended

    def _near(self, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box]) -> list[Box]:
        """The known faces that are found near the places where they were."""
        config = self.config
        near: list[Box | None] = [None] * len(known)
        if config.look_every_ms > 0:
            near = self._follower.carry(frame, time, known, steady, config.look_every_ms / 1000, config.window_scale)
        looked_at = [box for box, carried in zip(known, near, strict=True) if carried is None]
        if looked_at:
            looked = iter(self.detector.detect_near(frame, looked_at, config.window_scale, config.scale_range))
            near = [next(looked) if carried is None else carried for carried in near]
        return [box for box in near if box is not None]

    def _due(self, time: float) -> bool:
        if self._scanned_at is None or time < self._scanned_at:
            return True
        return 1000 * (time - self._scanned_at) >= self.config.full_scan_ms


def _divided(detector: Detector) -> DividedDetector | None:
    """The detector, where it searches in parts: asked once, since a protocol takes its time to say so."""
    return detector if isinstance(detector, DividedDetector) else None


class _SpreadScan:
    """Which parts of a scan are searched in which frame, and where."""

    def __init__(self) -> None:
        self._of: tuple[object, int, int] | None = None

    def belongs_to(self, detector: DividedDetector, frame: InputImage) -> bool:
        """Whether the parts are those of this detector, for frames of this size."""
        return self._of is not None and self._of[0] is detector and self._of[1:] == (frame.width, frame.height)

    def begin(self, detector: DividedDetector, frame: InputImage) -> None:
        """Begins with the first part; the frame has been searched as a whole."""
        self._of = detector, frame.width, frame.height
        shares = np.array(detector.parts(frame.width, frame.height))
        self._starts = np.cumsum(shares) - shares
        self._cycle = float(shares.sum())
        self._searched = [(_small(frame), 0.0)] * len(shares)
        self._progress = 0.0  # in scans since the beginning, as `_start` counts them
        self._next = 0

    def searches(self, frame: InputImage, scans: float) -> tuple[list[tuple[int, Box]], bool]:
        """The parts that are due, each with the region that has changed since it was last searched.

        Args:
          frame: the next frame.
          scans: how many scans, or what part of one, the time since the frame before is worth.

        Returns:
          Indices of parts and regions in pixels of the frame; and whether a scan ended.
        """
        count = len(self._starts)
        if count == 0:
            return [], False
        first = self._next
        # A frame does one scan at most, however late it is.
        self._progress = min(self._progress + scans, self._start(first) + 1)
        while self._start(self._next) < self._progress - 1e-9 and self._next < first + count:
            self._next += 1
        if self._next == first:
            return [], False
        small = _small(frame)
        searches = []
        for number in range(first, self._next):
            part, start = number % count, self._start(number)
            before, since = self._searched[part]
            is_old = start - since >= _REFRESH_SCANS - 1e-9
            region = frame.box if is_old else _changed(before, small, frame)
            if region is not None:
                searches.append((part, region))
                self._searched[part] = small, start
        return searches, int(self._start(self._next) + 1e-9) > int(self._start(first) + 1e-9)

    def _start(self, number: int) -> float:
        """When a part begins, counted on over all cycles, in scans."""
        cycles, part = divmod(number, len(self._starts))
        return cycles * self._cycle + float(self._starts[part])


def _small(frame: InputImage) -> np.ndarray:
    """A frame reduced to `_CHANGE_WIDTH`, smoothed: `[h, 160] uint8`."""
    width = min(frame.width, _CHANGE_WIDTH)
    height = max(round(frame.height * width / frame.width), 1)
    return cv2.blur(cv2.resize(frame.grey, (width, height), interpolation=cv2.INTER_AREA), (3, 3))


def _changed(before: np.ndarray, now: np.ndarray, frame: InputImage) -> Box | None:
    """The smallest region of the frame that holds all that has changed; None where nothing has."""
    x, y, w, h = cv2.boundingRect((cv2.absdiff(before, now) > _CHANGE).astype(np.uint8))
    if w == 0:
        return None
    scale_x, scale_y = frame.width / now.shape[1], frame.height / now.shape[0]
    return Box(x * scale_x, y * scale_y, w * scale_x, h * scale_y)


class Classifier(Protocol):
    """What a stream needs of a recogniser."""

    model: "LoadedModel | OnnxModel"
    """The network, whose `image_size` is that of a face crop."""
    detector: Detector
    """Finds the faces; may be replaced at any time."""

    def classify(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities of face crops; see `EmotionRecognizer.classify`."""
        ...

    def compile(self) -> None:
        """Prepares for any number of faces; see `EmotionRecognizer.compile`."""
        ...


class EmotionStream:
    """Recognition in one stream of frames; `EmotionRecognizer.stream` makes it.

    It remembers the faces of the frames before, so each camera needs a stream of its own; the recogniser behind
    them may be shared. A stream is used by one thread at a time.

    The first frame compiles no more than it needs, so that its result comes soon; the second one compiles the rest, and
    nothing is compiled afterwards. `EmotionRecognizer.compile` before the first frame has both as fast as any other.
    """

    def __init__(
        self, recognizer: Classifier, config: StreamConfig | None = None, numbers: Iterator[int] | None = None
    ) -> None:
        """Follows faces with `config`, or with the defaults.

        Args:
          recognizer: finds and classifies the faces.
          config: settings.
          numbers: ids of new tracks, none of them twice; from 1 on by default. Give several streams the same iterator,
            such as `itertools.count(1)`, and no id stands for two faces among them.
        """
        self._recognizer = recognizer
        self._config = config or StreamConfig()
        self._search = FaceSearch(recognizer.detector, self._config.search)
        self._tracker = Tracker(self._config.track, recognizer.model.classes, numbers)
        self._size: tuple[int, int] | None = None
        self._compiled = False

    @property
    def config(self) -> StreamConfig:
        """The settings; new ones hold from the next frame on, for living tracks as well."""
        return self._config

    @config.setter
    def config(self, config: StreamConfig) -> None:
        self._config = config
        self._search.config = config.search
        self._tracker.config = config.track

    def reset(self) -> None:
        """Forgets all faces. Their ids are not used again, so that another face never inherits one."""
        self._search.reset()
        self._tracker.reset()

    def __call__(self, image: np.ndarray | InputImage, time: float) -> FrameResult:
        """Finds, follows and classifies the faces of the next frame.

        Args:
          image: the frame, in any form that `InputImage` takes: BGR, BGRA or grey.
          time: of the frame in seconds, on any clock that goes forward; a clock that jumps back, as of a clip that
            begins again, starts new tracks, as does a frame of another size.

        Raises:
          ValueError: the image is not one, or the time is not a finite number.
        """
        return recognize_together([self], [image], [time])[0]

    def _look(self, image: np.ndarray | InputImage, time: float) -> "_Look":
        """Finds and follows the faces of a frame, and crops those that are to be classified."""
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame is {time!r}; expected finite seconds")
        frame = InputImage.of(image)
        if self._size is not None and not self._compiled:
            self._recognizer.compile()
            self._compiled = True
        self._restart_where_the_size_changed(frame)
        detector = self._search.detector = self._recognizer.detector

        began = clock.perf_counter()
        found, full_scan = self._search.find(frame, time, self._tracker.boxes(), self._tracker.born())
        detected = clock.perf_counter()
        sightings = self._tracker.due(self._tracker.associate(time, found))
        crops = crop_faces(
            frame.grey, [sighting.box for sighting in sightings], detector.geometry, self._recognizer.model.image_size
        )
        cropped = clock.perf_counter()
        return _Look(frame, time, sightings, crops, 1000 * (detected - began), 1000 * (cropped - detected), full_scan)

    def _conclude(self, look: "_Look", probabilities: np.ndarray, classification_ms: float) -> FrameResult:
        """The result of a frame whose crops were classified."""
        self._tracker.observe(look.sightings, probabilities, crop_contrast(look.crops))
        return FrameResult(
            faces=self._tracker.faces(look.frame.width, look.frame.height),
            time=look.time,
            width=look.frame.width,
            height=look.frame.height,
            detection_ms=look.detection_ms,
            inference_ms=look.crop_ms + classification_ms,
            full_scan=look.full_scan,
        )

    def _restart_where_the_size_changed(self, frame: InputImage) -> None:
        """The known boxes count pixels of the frames before; numbers go on."""
        size = frame.width, frame.height
        if self._size not in (None, size):
            self._search.reset()
            self._tracker.end_tracks()
        self._size = size


@dataclass(frozen=True, eq=False)
class _Look:
    """What a stream has found in a frame, before the network has seen it.

    Attributes:
      frame: the frame.
      time: of the frame, in seconds on the stream's clock.
      sightings: the faces that are to be classified.
      crops: of these, `[n, side, side] uint8`.
      detection_ms: spent on finding the faces.
      crop_ms: spent on following and cropping them.
      full_scan: as in the result.
    """

    frame: InputImage
    time: float
    sightings: Sequence[Sighting]
    crops: np.ndarray
    detection_ms: float
    crop_ms: float
    full_scan: bool


def recognize_together(
    streams: Sequence[EmotionStream], images: Sequence[np.ndarray | InputImage], times: Sequence[float]
) -> list[FrameResult]:
    """Recognises the next frame of each of several streams; the network sees the faces of all of them at once.

    Args:
      streams: one or more, each once, all of one recogniser (or of what `EmotionRecognizer.with_detector` made of it).
      images: a frame for each of them; see `EmotionStream.__call__`.
      times: of the frames, each on the clock of its stream.

    Returns:
      A result for each stream. The time of the network is shared out by the number of faces.

    Raises:
      ValueError: an image is not one, a time is not a finite number, a stream is given twice, streams have different
        models, or there is not one image and one time for each stream.
    """
    if not len(streams) == len(images) == len(times):
        raise ValueError(f"{len(streams)} streams, {len(images)} images, {len(times)} times; expected as many of each.")
    if len({id(stream) for stream in streams}) < len(streams):
        raise ValueError("a stream is given twice; it takes one frame after the other.")
    if len({id(stream._recognizer.model) for stream in streams}) > 1:
        raise ValueError("the streams have different models; expected streams of one recogniser.")
    if not streams:
        return []
    looks = [stream._look(image, time) for stream, image, time in zip(streams, images, times, strict=True)]
    counts = [len(look.crops) for look in looks]
    began = clock.perf_counter()
    probabilities = streams[0]._recognizer.classify(np.concatenate([look.crops for look in looks]))
    ms_a_face = 1000 * (clock.perf_counter() - began) / max(sum(counts), 1)
    rows = np.split(probabilities, np.cumsum(counts)[:-1])
    return [
        stream._conclude(look, each, ms_a_face * len(each))
        for stream, look, each in zip(streams, looks, rows, strict=True)
    ]
