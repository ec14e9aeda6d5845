"""Recognition in a stream of frames: the search for faces, tracks with IDs, and steady emotions."""

import math
import time as clock
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from femo_jax.live.config import SearchConfig, StreamConfig
from femo_jax.live.detection import Detector
from femo_jax.live.image import SAME_OVERLAP, Box, InputImage, crop_contrast, crop_faces, overlaps, without_duplicates
from femo_jax.live.results import FrameResult
from femo_jax.live.tracking import Tracker

if TYPE_CHECKING:
    from femo_jax.model_file import LoadedModel
    from femo_jax.onnx_model import OnnxModel


class FaceSearch:
    """Finds the faces in each frame of a stream, in a fraction of the time that a search of all of it takes.

    Attributes:
      detector: finds the faces; may be replaced at any time.
      config: how often the whole frame is searched, and how far round a known face; may be replaced at any time.
    """

    def __init__(self, detector: Detector, config: SearchConfig) -> None:
        """Searches with `detector`; the first frame is searched as a whole."""
        self.detector = detector
        self.config = config
        self._scanned_at: float | None = None

    def find(self, frame: InputImage, time: float, known: Sequence[Box]) -> tuple[list[Box], bool]:
        """Finds the faces of the next frame.

        Args:
          frame: the frame.
          time: of the frame, in seconds on the stream's clock; where it jumps back, the whole frame is searched.
          known: where the faces of the frames before were last found.

        Returns:
          The boxes of the faces, one each, ordered by x, then by y; and whether the whole frame was searched.
        """
        due = self._due(time)
        found = []
        if due:
            self._scanned_at = time
            found = self.detector.detect(frame, still=False)
            # A scan of the whole frame is coarse: it may miss a face that is found when looked for.
            seen = overlaps(known, found).max(axis=1, initial=0.0) > SAME_OVERLAP
            known = [box for box, is_seen in zip(known, seen, strict=True) if not is_seen]
        near = (
            self.detector.detect_near(frame, known, self.config.window_scale, self.config.scale_range) if known else []
        )
        return sorted(without_duplicates([*found, *(box for box in near if box is not None)])), due

    def reset(self) -> None:
        """Searches the whole of the next frame."""
        self._scanned_at = None

    def _due(self, time: float) -> bool:
        if self._scanned_at is None or time < self._scanned_at:
            return True
        return 1000 * (time - self._scanned_at) >= self.config.full_scan_ms


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
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame is {time!r}; expected finite seconds")
        frame = InputImage.of(image)
        if self._size is not None and not self._compiled:
            self._recognizer.compile()
            self._compiled = True
        self._restart_where_the_size_changed(frame)
        detector = self._search.detector = self._recognizer.detector

        began = clock.perf_counter()
        found, full_scan = self._search.find(frame, time, self._tracker.boxes())
        detected = clock.perf_counter()
        sightings = self._tracker.due(self._tracker.associate(time, found))
        crops = crop_faces(
            frame.grey, [sighting.box for sighting in sightings], detector.geometry, self._recognizer.model.image_size
        )
        self._tracker.observe(sightings, self._recognizer.classify(crops), crop_contrast(crops))
        classified = clock.perf_counter()

        return FrameResult(
            faces=self._tracker.faces(frame.width, frame.height),
            time=time,
            width=frame.width,
            height=frame.height,
            detection_ms=1000 * (detected - began),
            inference_ms=1000 * (classified - detected),
            full_scan=full_scan,
        )

    def _restart_where_the_size_changed(self, frame: InputImage) -> None:
        """The known boxes count pixels of the frames before; numbers go on."""
        size = frame.width, frame.height
        if self._size not in (None, size):
            self._search.reset()
            self._tracker.end_tracks()
        self._size = size
