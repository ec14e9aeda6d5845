"""From image messages to all that is published of them: one model for all cameras.

What imports JAX is imported where it is needed: a node that is not configured takes neither the time nor the memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.lifecycle import LifecycleNode

from femo_jax.live.stream import recognize_together
from femo_jax.prior import parse_prior
from femo_jax.weights import resolve_model
from femo_ros.camera_pipeline import CameraPipeline, Pending, Received
from femo_ros.outputs import ModelTopics
from femo_ros.parameters import Settings
from femo_ros.statistics import Statistics
from femo_ros.web_page import open_page
from femo_ros.worker import NewestOfEach

if TYPE_CHECKING:
    from femo_jax.live.recognizer import EmotionRecognizer


@dataclass(frozen=True)
class _Live:
    """The settings of one frame, with the detector that was made for them."""

    settings: Settings
    detector: Any


def load_recognizer(settings: Settings) -> "EmotionRecognizer":
    """Load the model and compile it, while the robot is waiting anyway, and not at its second image.

    Raises:
      FemoError: the model or the detector cannot be loaded.
    """
    from femo_jax.live.recognizer import EmotionRecognizer

    prior = parse_prior(settings.node.prior)
    recognizer = EmotionRecognizer.load(settings.node.model, settings.detector, prior=prior)
    recognizer.compile()
    return recognizer


class Pipeline:
    """What a configured node has: the model, and a pipeline for each camera.

    It is called by the worker with the newest images of the cameras; the other methods belong to the executor's
    thread, and `change` may be called at the same time.
    """

    def __init__(
        self, node: LifecycleNode, settings: Settings, statistics: Mapping[str, Statistics], numbers: Iterator[int]
    ) -> None:
        """Load the model and compile it, so that the first image takes no longer than the others; make the publishers.

        Args:
          node: that publishes.
          settings: all parameters.
          statistics: where the images of each camera are counted, by its name.
          numbers: ids of new tracks.

        Raises:
          FemoError: the model or the detector cannot be loaded, or a message package is missing.
        """
        self.model_name = resolve_model(settings.node.model).stem
        self._recognizer = load_recognizer(settings)
        self._live = self._applied = _Live(settings, self._recognizer.detector)
        self._cameras: dict[str, CameraPipeline] = {}
        with ExitStack() as made:  # ended where something fails
            topics = ModelTopics(node, settings.node, self.model_name, self._recognizer.model)
            made.callback(topics.close)
            first, *_ = settings.node.camera_names
            title = f"{node.get_fully_qualified_name()}{f'/{first}' if first else ''}"
            page = open_page(settings.node, title, self._recognizer.class_names)
            if page:
                made.callback(page.close)
            for name in settings.node.camera_names:
                stream = self._recognizer.stream(settings.stream, numbers)
                shown = page if name == first else None
                camera = CameraPipeline(node, settings.node, name, statistics[name], stream, shown)
                made.callback(camera.close)
                self._cameras[name] = camera
            self._made = made.pop_all()

    def worker(self) -> NewestOfEach[Received]:
        """Start a thread that recognises the newest images of all cameras together."""
        return NewestOfEach(self, "recognition", self.failed)

    def change(self, settings: Settings) -> None:
        """Apply other settings from the next image on.

        Raises:
          FemoError: no such detector can be made; the old settings stay.
        """
        from femo_jax.live.detection import create_detector

        same = settings.detector == self._live.settings.detector
        detector = self._live.detector if same else create_detector(settings.detector)
        self._live = _Live(settings, detector)  # one assignment: the worker sees all of it, or nothing

    def begin(self) -> None:
        """Expect images that have nothing to do with those before."""
        for camera in self._cameras.values():
            camera.begin()

    def expire(self, now: float) -> None:
        """Withdraw the faces of cameras whose images have stopped to come."""
        for camera in self._cameras.values():
            camera.expire(now, self._live.settings.track.max_age_ms / 1000)

    def follow(self) -> None:
        """Look at who subscribes to what needs further input."""
        for camera in self._cameras.values():
            camera.follow()

    def face_poses(self, camera: str) -> str:
        """What becomes of a camera's `face_poses`, in a few words."""
        return self._cameras[camera].face_poses

    def end(self) -> None:
        """Expect no more images for now."""
        for camera in self._cameras.values():
            camera.end()

    def close(self) -> None:
        """End the topics and the page."""
        self._made.close()

    def failed(self, error: BaseException) -> None:
        """Log and count images that were lost to an error of the program."""
        for camera in self._cameras.values():
            camera.failed(error)

    def __call__(self, images: Sequence[Received]) -> None:
        """Work on an image of each of some of the cameras."""
        settings = self._apply()
        pending: dict[CameraPipeline, Pending] = {}
        for received in images:
            camera = self._cameras[received.source]
            with camera.losing_alone():
                if (prepared := camera.prepare(received, settings)) is not None:
                    pending[camera] = prepared
        try:
            streams = [camera.stream for camera in pending]
            frames, times = [each.frame for each in pending.values()], [each.time for each in pending.values()]
            results = recognize_together(streams, frames, times)
        except BaseException as error:
            for camera in pending:
                camera.failed(error)
            return
        for camera, result in zip(pending, results, strict=True):
            with camera.losing_alone():
                camera.finish(pending[camera], result, settings)

    def _apply(self) -> Settings:
        """Have the settings that hold for the next images take effect."""
        live = self._live
        if live is not self._applied:
            self._recognizer.detector = live.detector
            for camera in self._cameras.values():
                camera.stream.config = live.settings.stream
            self._applied = live
        return live.settings
