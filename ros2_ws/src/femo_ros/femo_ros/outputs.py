"""All that the node publishes about images: made when it is configured, silent unless it is active."""

from typing import Any

from femo_msgs.msg import FaceEmotionArray, ModelInfo
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from femo_jax.live.drawing.draw import draw
from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult
from femo_ros import messages, qos
from femo_ros.hri import HumansFaces
from femo_ros.images import encode_jpeg
from femo_ros.optional import messages_of
from femo_ros.parameters import NodeConfig, Settings
from femo_ros.vision import detections_message

FACES_DEPTH = 10
IMAGE_DEPTH = 2  # images are large, and old ones are of no use


class Outputs:
    """The publishers of a configured node; `publish` is called by the worker."""

    def __init__(self, node: LifecycleNode, config: NodeConfig) -> None:
        """Makes the publishers.

        Raises:
          ConfigError: messages are wanted whose package is not installed.
        """
        self._vision_msgs = messages_of("vision_msgs", "publish_vision_msgs", config.publish_vision_msgs)
        hri_msgs = messages_of("hri_msgs", "publish_hri", config.publish_hri)

        self._node = node
        self._model_info = node.create_publisher(ModelInfo, "~/model_info", qos.LATCHED)
        self._managed: list[Any] = []
        self._faces = self._publisher(FaceEmotionArray, "~/faces", FACES_DEPTH)
        self._image = self._publisher(Image, "~/image_annotated", IMAGE_DEPTH)
        self._jpeg = self._publisher(CompressedImage, "~/image_annotated/compressed", IMAGE_DEPTH)
        self._detections = None
        if self._vision_msgs:
            self._detections = self._publisher(self._vision_msgs.Detection2DArray, "~/detections", FACES_DEPTH)
        self._humans = HumansFaces(node, hri_msgs) if hri_msgs else None

    def publish_model(self, model: Any) -> None:
        """Tells everybody, also those who ask later, which model is loaded."""
        self._model_info.publish(messages.model_message(self._node.get_clock().now().to_msg(), model))

    def publish(self, header: Header, picture: InputImage, result: FrameResult) -> None:
        """Publishes the faces of a frame, also when there are none."""
        self._faces.publish(messages.faces_message(header, result))
        if self._detections:
            self._detections.publish(detections_message(self._vision_msgs, header, result))
        if self._humans:
            self._humans.publish(header, picture, result)

    def publish_drawn(
        self, header: Header, picture: InputImage, result: FrameResult, settings: Settings, status: str
    ) -> None:
        """Draws the faces on the frame, if anybody is looking."""
        raw = self._image.get_subscription_count() > 0
        compressed = self._jpeg.get_subscription_count() > 0
        if not raw and not compressed:
            return
        drawn = draw(picture.bgr, result.faces, settings.draw, status)
        if raw:
            self._image.publish(messages.image_message(header, drawn))
        if compressed:
            jpeg = encode_jpeg(drawn, settings.node.jpeg_quality)
            self._jpeg.publish(messages.jpeg_message(header, jpeg))

    def clear(self) -> None:
        """Ends what was published of faces that are followed no longer."""
        if self._humans:
            self._humans.clear(Header(stamp=self._node.get_clock().now().to_msg()))

    def close(self) -> None:
        """Ends all topics."""
        if self._humans:
            self._humans.close()
        for publisher in self._managed:
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._model_info)

    def _publisher(self, message_type: type, topic: str, depth: int) -> Any:
        publisher = self._node.create_lifecycle_publisher(message_type, topic, depth)
        self._managed.append(publisher)
        return publisher
