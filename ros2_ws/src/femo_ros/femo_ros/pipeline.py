"""From an image message to all that is published of it.

What imports JAX is imported where it is needed: a node that is not configured takes neither the time nor the memory.
"""

import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult
from femo_jax.prior import parse_prior
from femo_jax.weights import resolve_model
from femo_ros.images import ImageError, decode_compressed, decode_image
from femo_ros.outputs import Answer, Outputs
from femo_ros.parameters import Settings
from femo_ros.statistics import Statistics
from femo_ros.timing import FrameClock, of_one_clock, seconds_of
from femo_ros.web_page import open_page

THROTTLE_SECONDS = 5.0
"""Between two log lines of one kind: a camera may do the same wrong thing thirty times a second."""

EXPIRE_PERIODS = 3
"""Periods of the camera without a result after which its faces are out of sight, unless tracks live longer."""


class Received(NamedTuple):
    """An image message, when it came in seconds on a steady clock, and the id of its face where it is a crop."""

    message: Image | CompressedImage
    arrival: float
    face: str = ""


@dataclass(frozen=True)
class _Live:
    """The settings of one frame, with the detector that was made for them."""

    settings: Settings
    detector: Any


class Pipeline:
    """What a configured node has: the model and the publishers.

    It is called by the worker with one image after the other; the other methods belong to the executor's thread, and
    `change` may be called at the same time.
    """

    def __init__(self, node: LifecycleNode, settings: Settings, statistics: Statistics, numbers: Iterator[int]) -> None:
        """Make the publishers, load the model and compile it, so that the first image takes no longer than the others.

        Args:
          node: that publishes.
          settings: all parameters.
          statistics: where images are counted.
          numbers: ids of new tracks.

        Raises:
          FemoError: the model or the detector cannot be loaded, or a message package is missing.
        """
        self._node = node
        self._statistics = statistics
        self._clock = FrameClock()
        self._outputs = Outputs(node, settings.node, statistics, self.failed)
        try:
            from femo_jax.live.recognizer import EmotionRecognizer

            self.model_name = resolve_model(settings.node.model).stem
            prior = parse_prior(settings.node.prior)
            self._recognizer = EmotionRecognizer.load(settings.node.model, settings.detector, prior=prior)
            self._recognizer.compile()  # while the robot is waiting anyway, and not at its second image
            self._page = open_page(settings.node, node.get_fully_qualified_name(), self._recognizer.class_names)
        except BaseException:
            self._outputs.close()
            raise
        self._stream = self._recognizer.stream(settings.stream, numbers)
        self._live = self._applied = _Live(settings, self._recognizer.detector)
        self._outputs.publish_model(self.model_name, self._recognizer.model)

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
        self._clock = FrameClock()
        self._stream.reset()

    def expire(self, now: float) -> None:
        """Withdraw the faces of the last result, where images have stopped to come."""
        idle = self._statistics.idle(now)
        limit = self._live.settings.track.max_age_ms / 1000
        if idle is not None and idle > max(limit, EXPIRE_PERIODS * (self._statistics.period or 0.0)):
            self._statistics.no_faces()
            self._outputs.clear()

    def follow(self) -> None:
        """Look at who subscribes to what needs further input."""
        self._outputs.follow()

    @property
    def face_poses(self) -> str:
        """What becomes of `~/face_poses`, in a few words."""
        return self._outputs.face_poses

    def end(self) -> None:
        """Expect no more images for now."""
        self._outputs.rest()

    def close(self) -> None:
        """End the topics and the page."""
        if self._page:
            self._page.close()
        self._outputs.close()

    def failed(self, error: BaseException) -> None:
        """Log and count an image that was lost to an error of the program."""
        self._statistics.failed(f"{type(error).__name__}: {error}")
        text = "".join(traceback.format_exception(error))
        self._node.get_logger().error(f"Image skipped: {text}", throttle_duration_sec=THROTTLE_SECONDS)

    def __call__(self, received: Received) -> None:
        """Work on one image."""
        message = received.message
        try:
            image = decode(message)
        except ImageError as error:
            self._statistics.undecodable(str(error))
            self._node.get_logger().warning(f"Image skipped: {error}", throttle_duration_sec=THROTTLE_SECONDS)
            return
        stamp = seconds_of(message.header)
        frame = InputImage(image)
        settings, result = self._recognize(frame, stamp, received.arrival)
        answer = Answer(message.header, frame, result, settings)
        self._outputs.publish(answer)
        latency = self._count(len(result.faces), stamp, received.arrival)
        self._outputs.draw(answer, latency)
        if self._page:
            self._page.publish(answer, self._statistics.rate_out or None, latency)

    def _recognize(self, frame: InputImage, stamp: float, arrival: float) -> tuple[Settings, FrameResult]:
        live = self._live
        if live is not self._applied:
            self._recognizer.detector = live.detector
            self._stream.config = live.settings.stream
            self._applied = live
        now = self._clock.time(stamp, arrival, live.settings.track.max_age_ms / 1000)
        if self._clock.went_back:
            self._stream.reset()
            self._node.get_logger().warning(
                f"Stamps went back by {self._clock.went_back:.3f} s: all faces get new tracks",
                throttle_duration_sec=THROTTLE_SECONDS,
            )
        return live.settings, self._stream(frame, now)

    def _count(self, faces: int, stamp: float, arrival: float) -> float | None:
        """Count a result; returns the latency to show, in seconds."""
        now = time.monotonic()
        from_stamp = self._node.get_clock().now().nanoseconds * 1e-9 - stamp if stamp else None
        offset = None if from_stamp is None or of_one_clock(from_stamp) else from_stamp
        if self._statistics.clock_differs(offset):
            self._node.get_logger().warning(
                f"The stamps of the images are {abs(offset):.3f} s {'behind' if offset > 0 else 'ahead of'} this node's"
                " clock, so that no latency from them is reported. Synchronise the clocks, or set use_sim_time where"
                " /clock is published."
            )
        trusted = from_stamp if offset is None else None
        self._statistics.answered(now, faces, trusted, now - arrival)
        return trusted if stamp else now - arrival


def decode(message: Image | CompressedImage) -> np.ndarray:
    """Return the pixels of a message; see `femo_ros.images`."""
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data)
    return decode_image(
        message.encoding, message.height, message.width, message.step, bool(message.is_bigendian), message.data
    )
