"""The model and what it remembers of one camera, with settings that change between two frames.

What imports JAX is imported where it is needed: a node that is not configured takes neither the time nor the memory.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult
from femo_ros.frame_clock import FrameClock
from femo_ros.parameters import Settings


@dataclass(frozen=True)
class _Live:
    """The settings of one frame, with the detector that was made for them."""

    settings: Settings
    detector: Any


@dataclass(frozen=True)
class Answer:
    """What recognition made of an image.

    Attributes:
      picture: the image.
      result: its faces.
      settings: those that held for it.
      went_back: by how many seconds its time lies before that of the image before; 0 where it does not.
    """

    picture: InputImage
    result: FrameResult
    settings: Settings
    went_back: float


class Recognition:
    """Recognises the emotions in the images of one camera.

    It is called by the worker; `change` may be called by another thread at the same time.
    """

    def __init__(self, settings: Settings) -> None:
        """Loads the model and compiles it, so that the first image takes no longer than the others.

        Raises:
          FemoError: the model or the detector cannot be loaded.
        """
        from femo_jax.live.recognizer import EmotionRecognizer

        self._recognizer = EmotionRecognizer.load(settings.node.model, settings.detector)
        self._stream = self._recognizer.stream(settings.stream)
        self._live = self._applied = _Live(settings, self._recognizer.detector)
        self._clock = FrameClock()

    @property
    def model(self) -> Any:
        """The `femo_jax.model_file.LoadedModel`."""
        return self._recognizer.model

    def change(self, settings: Settings) -> None:
        """Other settings for all images from the next one on.

        Raises:
          FemoError: no such detector can be made; the old settings stay.
        """
        from femo_jax.live.detection import create_detector

        same = settings.detector == self._live.settings.detector
        detector = self._live.detector if same else create_detector(settings.detector)
        self._live = _Live(settings, detector)  # one assignment: the worker sees all of it, or nothing

    def forget(self) -> None:
        """Forgets the faces and the time of the images before."""
        self._stream.reset()
        self._clock = FrameClock()

    def __call__(self, image: np.ndarray, stamp: float, arrival: float) -> Answer:
        """Finds, follows and classifies the faces of the next image.

        Args:
          image: in any form that `InputImage` takes.
          stamp: of its header, in seconds; 0 where it has none.
          arrival: when it was received, in seconds on a steady clock.
        """
        live = self._live
        if live is not self._applied:
            self._recognizer.detector = live.detector
            self._stream.config = live.settings.stream
            self._applied = live
        picture = InputImage(image)
        result = self._stream(picture, self._clock.time(stamp, arrival))
        return Answer(picture, result, live.settings, self._clock.went_back)
