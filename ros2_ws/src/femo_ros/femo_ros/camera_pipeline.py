"""One camera of the node: from its image messages to all that is published of them."""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult
from femo_jax.live.stream import EmotionStream
from femo_ros.images import ImageError, decode_compressed, decode_image
from femo_ros.outputs import Answer, Outputs
from femo_ros.parameters import NodeConfig, Settings
from femo_ros.statistics import Statistics
from femo_ros.timing import FrameClock, of_one_clock, seconds_of
from femo_ros.web_page import WebPage

THROTTLE_SECONDS = 5.0
"""Between two log lines of one kind: a camera may do the same wrong thing thirty times a second."""

EXPIRE_PERIODS = 3
"""Periods of the camera without a result after which its faces are out of sight, unless tracks live longer."""


class Received(NamedTuple):
    """An image message, when it came in seconds on a steady clock, and the name of its camera; of a crop, its face."""

    message: Image | CompressedImage
    arrival: float
    source: str = ""


@dataclass(frozen=True)
class Pending:
    """An image that is to be recognised.

    Attributes:
      received: the message.
      frame: its pixels.
      stamp: of its header, in seconds.
      time: on the clock of the camera's stream, in seconds.
    """

    received: Received
    frame: InputImage
    stamp: float
    time: float


class CameraPipeline:
    """What a configured node has of a camera: stream, clock, counters and publishers.

    `prepare` and `finish` are called by the worker; the other methods belong to the executor's thread.

    Attributes:
      stream: follows the faces.
    """

    def __init__(
        self,
        node: LifecycleNode,
        config: NodeConfig,
        name: str,
        statistics: Statistics,
        stream: EmotionStream,
        page: WebPage | None = None,
    ) -> None:
        """Make the publishers.

        Args:
          node: that publishes.
          config: which topics there are.
          name: of the camera; empty where there is one only.
          statistics: where its images are counted.
          stream: a new one.
          page: where its images are shown.

        Raises:
          ConfigError: a message package is missing.
        """
        self.stream = stream
        self._node = node
        self._statistics = statistics
        self._clock = FrameClock()
        self._of = f" of {name}" if name else ""
        self._outputs = Outputs(node, config, statistics, self.failed, f"{name}/" if name else "")
        self._page = page

    def begin(self) -> None:
        """Expect images that have nothing to do with those before."""
        self._clock = FrameClock()
        self.stream.reset()

    def expire(self, now: float, max_age: float) -> None:
        """Withdraw the faces of the last result, where images have stopped to come.

        Args:
          now: the time in seconds.
          max_age: seconds after which a face that is not seen is out of sight.
        """
        idle = self._statistics.idle(now)
        if idle is not None and idle > max(max_age, EXPIRE_PERIODS * (self._statistics.period or 0.0)):
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
        """End the topics."""
        self._outputs.close()

    def failed(self, error: BaseException) -> None:
        """Log and count an image that was lost to an error of the program."""
        self._statistics.failed(f"{type(error).__name__}: {error}")
        text = "".join(traceback.format_exception(error))
        self._node.get_logger().error(f"Image{self._of} skipped: {text}", throttle_duration_sec=THROTTLE_SECONDS)

    @contextmanager
    def losing_alone(self) -> Iterator[None]:
        """A block whose errors cost this camera its image, and the other cameras nothing."""
        try:
            yield
        except BaseException as error:
            self.failed(error)

    def prepare(self, received: Received, settings: Settings) -> Pending | None:
        """Decode an image and time it; None where it cannot be read."""
        try:
            image = decode(received.message)
        except ImageError as error:
            self._statistics.undecodable(str(error))
            self._node.get_logger().warning(f"Image{self._of} skipped: {error}", throttle_duration_sec=THROTTLE_SECONDS)
            return None
        stamp = seconds_of(received.message.header)
        now = self._clock.time(stamp, received.arrival, settings.track.max_age_ms / 1000)
        if self._clock.went_back:
            self.stream.reset()
            self._node.get_logger().warning(
                f"Stamps{self._of} went back by {self._clock.went_back:.3f} s: all faces get new tracks",
                throttle_duration_sec=THROTTLE_SECONDS,
            )
        return Pending(received, InputImage(image), stamp, now)

    def finish(self, pending: Pending, result: FrameResult, settings: Settings) -> None:
        """Publish the result of an image and count it."""
        answer = Answer(pending.received.message.header, pending.frame, result, settings)
        self._outputs.publish(answer)
        latency = self._count(len(result.faces), pending.stamp, pending.received.arrival)
        self._outputs.draw(answer, latency)
        if self._page:
            self._page.publish(answer, self._statistics.rate_out or None, latency)

    def _count(self, faces: int, stamp: float, arrival: float) -> float | None:
        """Count a result; returns the latency to show, in seconds."""
        now = time.monotonic()
        from_stamp = self._node.get_clock().now().nanoseconds * 1e-9 - stamp if stamp else None
        offset = None if from_stamp is None or of_one_clock(from_stamp) else from_stamp
        if self._statistics.clock_differs(offset):
            self._node.get_logger().warning(
                f"The stamps of the images{self._of} are {abs(offset):.3f} s"
                f" {'behind' if offset > 0 else 'ahead of'} this node's"
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
