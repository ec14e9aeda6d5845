"""From an image message to all that is published of it."""

import time
import traceback
from typing import Any, NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from femo_jax.live.drawing.draw import status_text
from femo_ros.images import ImageError, decode_compressed, decode_image
from femo_ros.outputs import Outputs
from femo_ros.parameters import Settings
from femo_ros.recognition import Recognition
from femo_ros.statistics import Statistics

THROTTLE_SECONDS = 5.0
"""Between two log lines of one kind: a camera may do the same wrong thing thirty times a second."""


class Received(NamedTuple):
    """An image message and when it came, in seconds on a steady clock."""

    message: Image | CompressedImage
    arrival: float


class Pipeline:
    """What a configured node has: the model and the publishers. Images come from the worker, all else from others."""

    def __init__(self, node: LifecycleNode, settings: Settings, statistics: Statistics) -> None:
        """Makes the publishers, loads the model and warms it up.

        Raises:
          FemoError: the model or the detector cannot be loaded, or a message package is missing.
        """
        self._node = node
        self._statistics = statistics
        self._outputs = Outputs(node, settings.node)
        try:
            self._recognition = Recognition(settings)
        except BaseException:
            self._outputs.close()
            raise
        self._outputs.publish_model(self.model)

    @property
    def model(self) -> Any:
        """The loaded `femo_jax.model_file.LoadedModel`."""
        return self._recognition.model

    def change(self, settings: Settings) -> None:
        """Other settings from the next image on; FemoError, and none of them, where one is not possible."""
        self._recognition.change(settings)

    def begin(self) -> None:
        """Images will come, and have nothing to do with those before."""
        self._recognition.forget()

    def end(self) -> None:
        """No more images come for now."""
        self._outputs.clear()

    def close(self) -> None:
        """Ends the topics."""
        self._outputs.close()

    def __call__(self, received: Received) -> None:
        """Works on one image; whatever is wrong with it, the next one can come."""
        logger = self._node.get_logger()
        try:
            image = _decode(received.message)
        except ImageError as error:
            self._statistics.undecodable(str(error))
            logger.warning(f"Image left out: {error}", throttle_duration_sec=THROTTLE_SECONDS)
            return
        try:
            self._recognize(image, received.message.header, received.arrival)
        except Exception as error:
            self._statistics.failed(f"{type(error).__name__}: {error}")
            logger.error(f"Image left out: {traceback.format_exc()}", throttle_duration_sec=THROTTLE_SECONDS)

    def _recognize(self, image: np.ndarray, header: Header, arrival: float) -> None:
        stamp = header.stamp.sec + header.stamp.nanosec * 1e-9
        answer = self._recognition(image, stamp, arrival)
        if answer.went_back:
            self._node.get_logger().warning(
                f"Stamps went back by {answer.went_back:.3f} s: all faces get new tracks",
                throttle_duration_sec=THROTTLE_SECONDS,
            )
        self._outputs.publish(header, answer.picture, answer.result)

        from_arrival = time.monotonic() - arrival
        from_stamp = self._node.get_clock().now().nanoseconds * 1e-9 - stamp if stamp else None
        self._statistics.answered(len(answer.result.faces), from_stamp, from_arrival)
        latency = from_arrival if from_stamp is None else from_stamp
        status = status_text(self._statistics.rate_out or None, 1000 * latency)
        self._outputs.publish_drawn(header, answer.picture, answer.result, answer.settings, status)


def _decode(message: Image | CompressedImage) -> np.ndarray:
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data)
    return decode_image(
        message.encoding, message.height, message.width, message.step, bool(message.is_bigendian), message.data
    )
