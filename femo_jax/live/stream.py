"""Frames that follow each other: faces keep their numbers, and their emotions are steady."""

import math
import time as clock

import numpy as np

from femo_jax.live.config import StreamConfig
from femo_jax.live.detection.crop import crop_faces
from femo_jax.live.detection.search import FaceSearch
from femo_jax.live.picture import Picture
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.results import FrameResult
from femo_jax.live.tracking.tracks import Tracker


class EmotionStream:
    """Recognition in one stream of frames; `EmotionRecognizer.stream` makes it.

    It remembers the faces of the frames before, so each camera needs a stream of its own; the recogniser behind
    them may be shared. A stream is used by one thread at a time.
    """

    def __init__(self, recognizer: EmotionRecognizer, config: StreamConfig | None = None) -> None:
        """Follows faces with `config`, or with the defaults."""
        self._recognizer = recognizer
        self._config = config or StreamConfig()
        self._search = FaceSearch(recognizer.detector, self._config.search)
        self._tracker = Tracker(self._config.track)
        self._size: tuple[int, int] | None = None

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
        """Forgets all faces; numbers of tracks begin with 1 again."""
        self._search.reset()
        self._tracker.reset()

    def __call__(self, image: np.ndarray | Picture, time: float) -> FrameResult:
        """Finds, follows and classifies the faces of the next frame.

        Args:
          image: the frame, in any form that `Picture` takes: BGR, BGRA or grey.
          time: of the frame in seconds, on any clock that goes forward; a clock that jumps back, as of a clip that
            begins again, starts new tracks, as does a frame of another size.

        Raises:
          ValueError: the image is not one, or the time is not a finite number.
        """
        if not math.isfinite(time):
            raise ValueError(f"the time of a frame is {time!r}; expected finite seconds")
        picture = image if isinstance(image, Picture) else Picture(image)
        self._begin_anew_where_the_size_changed(picture)
        detector = self._search.detector = self._recognizer.detector

        began = clock.perf_counter()
        found, full_scan = self._search.find(picture, time, self._tracker.boxes())
        detected = clock.perf_counter()
        sightings = self._tracker.associate(time, found)
        crops = crop_faces(picture.grey, [sighting.box for sighting in sightings], detector.geometry)
        self._tracker.observe(sightings, self._recognizer.classify(crops))
        classified = clock.perf_counter()

        return FrameResult(
            faces=self._tracker.faces(picture.width, picture.height),
            time=time,
            width=picture.width,
            height=picture.height,
            detection_ms=1000 * (detected - began),
            inference_ms=1000 * (classified - detected),
            full_scan=full_scan,
        )

    def _begin_anew_where_the_size_changed(self, picture: Picture) -> None:
        """The known boxes count pixels of the frames before; numbers go on."""
        size = picture.width, picture.height
        if self._size not in (None, size):
            self._search.reset()
            self._tracker.end_tracks()
        self._size = size
