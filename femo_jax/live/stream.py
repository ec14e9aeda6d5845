"""Recognition in a stream of frames: the search for faces, tracks with IDs, and steady emotions."""

import math
import time as clock
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
        """Finds the faces of the next frame: `find_known` and `find_new` one after the other.

        Returns:
          The boxes of the faces, one each, ordered by x, then by y; and whether a search of the whole frame ended with
          this frame.
        """
        found = self.find_known(frame, time, known, steady)
        new, ended = self.find_new(frame, time, known, steady, found)
        return sorted([*found, *new]), ended

    def find_known(
        self, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box] = ()
    ) -> list[Box]:
        """Finds the known faces in the next frame, near the places where they were.

        Args:
          frame: the frame.
          time: of the frame, in seconds on the stream's clock; where it jumps back, the whole frame is searched.
          known: where the faces of the frames before were last found.
          steady: those of them that need a look only once in `look_every_ms`.

        Returns:
          The boxes of the faces, one each, ordered by x, then by y. None where the whole frame is to be searched at
          once: `find_new` then returns all.
        """
        if self._whole_is_due(frame, time):
            return []
        return sorted(without_duplicates(self._near(frame, time, known, steady)))

    def find_new(
        self, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box], found: Sequence[Box]
    ) -> tuple[list[Box], bool]:
        """Finds the other faces of the frame; to be called once after each `find_known`.

        Args:
          frame: as for `find_known`, and so `time`, `known` and `steady`.
          time: of the frame.
          known: the faces of the frames before.
          steady: some of them.
          found: what `find_known` returned.

        Returns:
          Their boxes, ordered by x, then by y; and whether a search of the whole frame ended with this frame.
        """
        if self._whole_is_due(frame, time):
            new, ended = self._find_all(frame, time, known, steady), True
        elif self._spreads is not None:
            new, ended = self._find_in_parts(self._spreads, frame, time, [*known, *found])
        else:
            new, ended = [], False
        new = sorted(without_duplicates([*found, *new])[len(found) :])
        if self.config.look_every_ms > 0:
            self._follower.keep(frame, time, [*found, *new])
        return new, ended

    def reset(self) -> None:
        """Searches the whole of the next frame."""
        self._scanned_at = None
        self._follower.reset()

    @property
    def _spreads(self) -> DividedDetector | None:
        """The detector, where its scans are spread over frames."""
        return self._divided if self.config.full_scan_ms > 0 else None

    def _whole_is_due(self, frame: InputImage, time: float) -> bool:
        if self._scanned_at is None or time < self._scanned_at:
            return True
        if self._spreads is not None:
            return not self._spread.belongs_to(self._spreads, frame)
        return 1000 * (time - self._scanned_at) >= self.config.full_scan_ms

    def _find_all(self, frame: InputImage, time: float, known: Sequence[Box], steady: Collection[Box]) -> list[Box]:
        """The faces of a frame that is searched as a whole."""
        self._scanned_at = time
        if self._spreads is not None:
            self._spread.begin(self._spreads, frame)
            return [*self._spreads.detect_first(frame), *self._near(frame, time, known, steady)]
        found = self.detector.detect(frame, still=False)
        # A scan of the whole frame is coarse: it may miss a face that is found when looked for.
        seen = overlaps(known, found).max(axis=1, initial=0.0) > SAME_OVERLAP
        missed = [box for box, is_seen in zip(known, seen, strict=True) if not is_seen]
        return [*found, *self._near(frame, time, missed, ())]

    def _find_in_parts(
        self, detector: DividedDetector, frame: InputImage, time: float, known: Sequence[Box]
    ) -> tuple[list[Box], bool]:
        assert self._scanned_at is not None  # the first frame is searched as a whole
        elapsed, self._scanned_at = time - self._scanned_at, time
        searches, ended = self._spread.searches(frame, 1000 * elapsed / self.config.full_scan_ms)
        new: list[Box] = []
        for part, region in searches:
            new += detector.detect_part(frame, part, region, [*known, *new])
        return new, ended

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
        self._thread = ThreadPoolExecutor(1, "femo-network")  # starts when it is first needed

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

    def _look_at_known(self, image: np.ndarray | InputImage, time: float) -> "_Look":
        """Finds and follows the known faces of a frame, and crops those that are to be classified."""
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame is {time!r}; expected finite seconds")
        frame = InputImage.of(image)
        if self._size is not None and not self._compiled:
            self._recognizer.compile()
            self._compiled = True
        self._restart_where_the_size_changed(frame)
        self._search.detector = self._recognizer.detector

        began = clock.perf_counter()
        known, steady = self._tracker.boxes(), self._tracker.born()
        found = self._search.find_known(frame, time, known, steady)
        look = _Look(frame, time, known, steady, found, 1000 * (clock.perf_counter() - began))
        self._crop_due(look, self._tracker.associate(time, found))
        return look

    def _look_for_new(self, look: "_Look") -> None:
        """Does the same with the other faces of the frame."""
        began = clock.perf_counter()
        new, look.full_scan = self._search.find_new(look.frame, look.time, look.known, look.steady, look.found)
        look.detection_ms += 1000 * (clock.perf_counter() - began)
        self._crop_due(look, self._tracker.associate_more(new))

    def _crop_due(self, look: "_Look", sightings: Sequence[Sighting]) -> None:
        began = clock.perf_counter()
        due = self._tracker.due(sightings)
        boxes, geometry = [sighting.box for sighting in due], self._search.detector.geometry
        look.sightings.append(due)
        look.crops.append(crop_faces(look.frame.grey, boxes, geometry, self._recognizer.model.image_size))
        look.crop_ms += 1000 * (clock.perf_counter() - began)

    def _conclude(self, look: "_Look", probabilities: Sequence[np.ndarray], waited_ms: float) -> FrameResult:
        """The result of a frame whose crops were classified, the known faces and the new ones."""
        for sightings, crops, each in zip(look.sightings, look.crops, probabilities, strict=True):
            self._tracker.observe(sightings, each, crop_contrast(crops))
        return FrameResult(
            faces=self._tracker.faces(look.frame.width, look.frame.height),
            time=look.time,
            width=look.frame.width,
            height=look.frame.height,
            detection_ms=look.detection_ms,
            inference_ms=look.crop_ms + waited_ms,
            full_scan=look.full_scan,
        )

    def _restart_where_the_size_changed(self, frame: InputImage) -> None:
        """The known boxes count pixels of the frames before; numbers go on."""
        size = frame.width, frame.height
        if self._size not in (None, size):
            self._search.reset()
            self._tracker.end_tracks()
        self._size = size


@dataclass(eq=False)
class _Look:
    """What a stream has found in a frame.

    Attributes:
      frame: the frame.
      time: of the frame, in seconds on the stream's clock.
      known: the faces of the frames before, where they were last found.
      steady: those of them that are not looked for in each frame.
      found: those that were found again.
      detection_ms: spent on finding faces so far.
      crop_ms: spent on cropping them so far.
      sightings: the faces that are to be classified: known ones, then new ones.
      crops: of these, `[n, side, side] uint8` each.
      full_scan: as in the result.
    """

    frame: InputImage
    time: float
    known: Sequence[Box]
    steady: Sequence[Box]
    found: Sequence[Box]
    detection_ms: float
    crop_ms: float = 0.0
    sightings: list[Sequence[Sighting]] = field(default_factory=list)
    crops: list[np.ndarray] = field(default_factory=list)
    full_scan: bool = False


def recognize_together(
    streams: Sequence[EmotionStream], images: Sequence[np.ndarray | InputImage], times: Sequence[float]
) -> list[FrameResult]:
    """Recognises the next frame of each of several streams; the network sees the faces of all of them at once.

    It classifies the known faces while the detector searches for new ones, which are rare and classified afterwards.

    Args:
      streams: one or more, each once, all of one recogniser (or of what `EmotionRecognizer.with_detector` made of it).
      images: a frame for each of them; see `EmotionStream.__call__`.
      times: of the frames, each on the clock of its stream.

    Returns:
      A result for each stream. The time that the network takes longer than the detector is shared out by the number of
      faces.

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
    looks = [stream._look_at_known(image, time) for stream, image, time in zip(streams, images, times, strict=True)]
    classify, thread = streams[0]._recognizer.classify, streams[0]._thread
    known = np.concatenate([look.crops[0] for look in looks])
    started = thread.submit(classify, known) if len(known) else None
    for stream, look in zip(streams, looks, strict=True):
        stream._look_for_new(look)
    began = clock.perf_counter()
    new = np.concatenate([look.crops[1] for look in looks])
    of_new = [classify(new)] if len(new) or started is None else []
    of_known = [] if started is None else [started.result()]
    ms_a_face = 1000 * (clock.perf_counter() - began) / max(len(known) + len(new), 1)
    counts = [len(look.crops[part]) for part in (0, 1) for look in looks]
    rows = np.split(np.concatenate(of_known + of_new), np.cumsum(counts)[:-1])
    return [
        stream._conclude(look, each, ms_a_face * sum(map(len, each)))
        for stream, look, *each in zip(streams, looks, rows[: len(looks)], rows[len(looks) :], strict=True)
    ]
