"""A stand-in for a camera's driver: publishes a webcam, a clip, an image or a folder as a camera's topic."""

import threading
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from femo_jax.errors import ConfigError
from femo_jax.live.sources import Frame, FrameSource, open_source
from femo_jax.live.sources.addresses import redacted
from femo_ros.images import encode_jpeg
from femo_ros.messages import image_message, jpeg_message
from femo_ros.parameter_table import declare
from femo_ros.parameters import RENAMED, VIDEO_SOURCE, recognizer_parameters

USUAL_RATE = 30.0
"""Images a second of a source that has no rate of its own."""

DELIVERY_SECONDS = 2.0
"""How long the node waits at the end of its source for reliable subscribers to have the last images."""

SUBSCRIBER_POLL_SECONDS = 0.02
"""Between two looks for the first subscriber."""

DEPTH = 5
"""Images that are kept for subscribers that have not taken them yet."""


class VideoSourceNode(Node):
    """Reads and publishes in a thread of its own, from `start` on until `ended` or `end`."""

    def __init__(self, **arguments: Any) -> None:
        """Makes the publishers.

        Args:
          **arguments: for `Node`.

        Raises:
          ConfigError: a parameter's value is not possible.
          rclpy.exceptions.ParameterException: a parameter was given a value of another type or out of its range.
        """
        super().__init__("video_source", automatically_declare_parameters_from_overrides=True, **arguments)
        declare(self, VIDEO_SOURCE, {}, [*RENAMED, *(each.name for each in recognizer_parameters())])
        value = {each.name: self.get_parameter(each.name).value for each in VIDEO_SOURCE}
        self._spec: str = value["source"]
        self._rate: float = value["rate"]
        self._loop: bool = value["loop"]
        self._wait: bool = value["wait"]
        self._size = _size(value["width"], value["height"])
        self._frame_id: str = value["frame_id"]
        self._quality: int = value["jpeg_quality"]

        profile = _profile(value["qos"])
        self._image = self.create_publisher(Image, "image_raw", profile)
        self._jpeg = self._info = None
        if value["compressed"]:
            self._jpeg = self.create_publisher(CompressedImage, "image_raw/compressed", profile)
        if value["camera_info"]:
            self._info = self.create_publisher(CameraInfo, "camera_info", profile)

        self._stop = threading.Event()
        self._error: Exception | None = None
        self._shown: tuple[Frame, _Messages] | None = None

    def start(self) -> None:
        """Opens the source and begins to publish.

        Raises:
          SourceError: the source cannot be opened.
        """
        self._source = self._open()
        self._thread = threading.Thread(target=self._play, name="source", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the source has ended or broken down."""
        return not self._thread.is_alive()

    def end(self) -> None:
        """Lets go of the source; where it has ended by itself, waits for the last images to be delivered.

        Raises:
          SourceError: the source broke down.
        """
        finished = self.ended
        self._stop.set()
        if self._source.live:
            self._source.close()  # the thread may be waiting for its next frame
        self._thread.join()  # it alone touches a clip: FFmpeg does not survive being closed while it reads
        self._source.close()
        if self._error:
            raise self._error
        if finished:
            for publisher in self._outputs:
                publisher.wait_for_all_acked(Duration(seconds=DELIVERY_SECONDS))

    @property
    def _outputs(self) -> list[Publisher]:
        return list(filter(None, (self._image, self._jpeg, self._info)))

    def _open(self) -> FrameSource:
        return open_source(self._spec, size=self._size, rate=self._rate or None)

    def _play(self) -> None:
        """The thread's work: publishes every frame when it is due."""
        rate = self._rate or (0.0 if self._source.live else self._source.frames_per_second or USUAL_RATE)
        pace = f"{rate:g} images a second" if rate else "at its own pace"
        while self._wait and not any(each.get_subscription_count() for each in self._outputs):
            if self._stop.wait(SUBSCRIBER_POLL_SECONDS):
                return
        self.get_logger().info(f"Playing {redacted(self._spec)} on {self._image.topic_name}, {pace}")
        due, count = time.monotonic(), 0
        try:
            for frame in self._frames():
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self._publish(frame)
                count += 1
                # A late image does not hurry those after it.
                due = max(due + 1 / rate, time.monotonic()) if rate else due
            if not self._stop.is_set():
                self.get_logger().info(f"End of {redacted(self._spec)}: {count} played")
        except Exception as error:
            self._error = error

    def _frames(self) -> Iterator[Frame]:
        """The frames of the source, again and again if they are to be looped."""
        while True:
            count, frame = 0, None
            for frame in self._source:
                count += 1
                yield frame
            if not self._loop or self._source.live:
                return
            while count == 1:
                yield frame  # a single image need not be read again
            self._source.close()
            self._source = self._open()

    def _publish(self, frame: Frame) -> None:
        """Publishes one frame, on those topics to which somebody listens."""
        header = Header(stamp=self._stamp(frame).to_msg(), frame_id=self._frame_id)
        messages = self._messages(frame)
        if self._image.get_subscription_count():
            messages.raw.header = header
            self._image.publish(messages.raw)
        if self._jpeg and self._jpeg.get_subscription_count():
            messages.jpeg.header = header
            self._jpeg.publish(messages.jpeg)
        if self._info:
            height, width = messages.image.shape[:2]
            self._info.publish(CameraInfo(header=header, height=height, width=width))

    def _stamp(self, frame: Frame) -> Time:
        """When a camera took the frame; of other sources, and in simulated time, now."""
        now = self.get_clock().now()
        if not self._source.live or self.get_clock().ros_time_is_active:
            return now
        return now - Duration(seconds=time.monotonic() - frame.time)

    def _messages(self, frame: Frame) -> "_Messages":
        """Those of this frame, rebuilt only if it is not the one that was just shown."""
        if self._shown is None or self._shown[0] is not frame:
            image = frame.image if self._size is None else _scaled(frame.image, self._size)
            self._shown = frame, _Messages(image, self._quality)
        return self._shown[1]


class _Messages:
    """An image's messages, each made when it is first asked for."""

    def __init__(self, image: np.ndarray, quality: int) -> None:
        self.image = image
        self._quality = quality

    @cached_property
    def raw(self) -> Image:
        return image_message(Header(), self.image)

    @cached_property
    def jpeg(self) -> CompressedImage:
        return jpeg_message(Header(), encode_jpeg(self.image, self._quality))


def _scaled(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image with this width and height."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    shrinks = size[0] * size[1] < width * height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _size(width: int, height: int) -> tuple[int, int] | None:
    if (width == 0) != (height == 0):
        raise ConfigError(f"width is {width} and height {height}; expected both in pixels, or 0 for both.")
    return (width, height) if width else None


def _profile(qos: str) -> QoSProfile:
    policies = {"reliable": ReliabilityPolicy.RELIABLE, "sensor_data": ReliabilityPolicy.BEST_EFFORT}
    if qos not in policies:
        raise ConfigError(f"qos is {qos!r}; expected one of {', '.join(policies)}.")
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=DEPTH, reliability=policies[qos])
