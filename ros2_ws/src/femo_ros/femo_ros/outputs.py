"""All that the node publishes: made when it is configured, and of images silent unless it is active."""

from dataclasses import dataclass
from typing import Any

from femo_msgs.msg import FaceEmotionArray
from geometry_msgs.msg import PoseArray
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from femo_jax.live.drawing.draw import draw, status_text
from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult
from femo_ros import messages
from femo_ros.camera_topic import LATCHED
from femo_ros.face_poses import FacePoses
from femo_ros.hri import HumansFaces
from femo_ros.images import encode_jpeg
from femo_ros.parameters import NodeConfig, Settings
from femo_ros.statistics import Statistics
from femo_ros.worker import NewestWins, OnExecutor

FACES_DEPTH = 10
IMAGE_DEPTH = 2  # images are large, and old ones are of no use
DELIVERY_SECONDS = 2.0
"""How long the node waits at its end until subscribers have the last list of faces."""


@dataclass(frozen=True)
class Answer:
    """What recognition made of an image.

    Attributes:
      header: of the image.
      frame: the image.
      result: its faces.
      settings: those that held for it.
    """

    header: Header
    frame: InputImage
    result: FrameResult
    settings: Settings


class ModelTopics:
    """What the node publishes about its model: latched, and the same for all cameras."""

    def __init__(self, node: LifecycleNode, config: NodeConfig, name: str, model: Any) -> None:
        """Publish which model is loaded, also for those who subscribe later.

        Args:
          node: that publishes.
          config: which topics there are.
          name: of the model.
          model: as `messages.model_message` takes it.

        Raises:
          ConfigError: messages are wanted whose package is not installed.
        """
        vision_msgs = messages.messages_of("vision_msgs", "publish_vision_msgs", config.publish_vision_msgs)
        self._node = node
        self._publishers: list[Any] = []
        header = Header(stamp=node.get_clock().now().to_msg())
        self._publish("~/model_info", messages.model_message(header.stamp, name, model))
        if vision_msgs:
            labels = messages.label_info_message(vision_msgs, header, model.classes)
            topic = self._publish("~/label_info", labels)
            self._publish("~/vision_info", messages.vision_info_message(vision_msgs, header, name, topic))

    def close(self) -> None:
        """End the topics."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def _publish(self, topic: str, message: Any) -> str:
        """Publish a message once; returns the topic's full name."""
        publisher = self._node.create_publisher(type(message), topic, LATCHED)
        self._publishers.append(publisher)
        publisher.publish(message)
        return publisher.topic_name


class Outputs:
    """The publishers of what recognition makes of one camera's images.

    `publish` is called by the worker, all else by the executor's thread. The faces leave at once; images are drawn and
    published by a thread of their own, newest first, and topics of single faces and poses by the executor.
    """

    def __init__(
        self, node: LifecycleNode, config: NodeConfig, statistics: Statistics, failed: Any, prefix: str = ""
    ) -> None:
        """Make the publishers.

        Args:
          node: that publishes.
          config: which topics there are.
          statistics: where dropped images are counted.
          failed: called with what drawing or publishing raises.
          prefix: of the names of the camera's topics, such as `front/`.

        Raises:
          ConfigError: messages are wanted whose package is not installed.
        """
        self._vision_msgs = messages.messages_of("vision_msgs", "publish_vision_msgs", config.publish_vision_msgs)
        self._foxglove_msgs = messages.messages_of(
            "foxglove_msgs", "publish_foxglove_msgs", config.publish_foxglove_msgs
        )
        hri = "false" if config.cameras else config.publish_hri  # REP-155 has one list of faces
        hri_msgs = messages.messages_of("hri_msgs", "publish_hri", hri)

        self._node = node
        self._statistics = statistics
        self._prefix = prefix
        self._managed: list[Any] = []
        self._faces = self._publisher(FaceEmotionArray, "~/faces", FACES_DEPTH)
        self._image = self._publisher(Image, "~/image_annotated", IMAGE_DEPTH)
        self._jpeg = self._publisher(CompressedImage, "~/image_annotated/compressed", IMAGE_DEPTH)
        self._detections = None
        if self._vision_msgs:
            self._detections = self._publisher(self._vision_msgs.Detection2DArray, "~/detections", FACES_DEPTH)
        self._annotations = None
        if self._foxglove_msgs:
            self._annotations = self._publisher(self._foxglove_msgs.ImageAnnotations, "~/annotations", FACES_DEPTH)
        self._humans = (
            HumansFaces(node, hri_msgs, (config.hri_face_width, config.hri_face_height)) if hri_msgs else None
        )
        poses = self._publisher(PoseArray, "~/face_poses", FACES_DEPTH)
        self._poses = FacePoses(node, poses, config.depth_transport, prefix)
        self._to_executor = OnExecutor(node, self._publish_on_executor, FACES_DEPTH)
        self._drawing: NewestWins[tuple[Answer, float | None]] = NewestWins(self._publish_drawn, "drawing", failed)

    def publish(self, answer: Answer) -> None:
        """Publish the faces of a frame, also when there are none."""
        self._faces.publish(messages.faces_message(answer.header, answer.result))
        if self._detections:
            self._detections.publish(messages.detections_message(self._vision_msgs, answer.header, answer.result))
        if self._annotations and self._annotations.get_subscription_count():
            drawn = answer.settings.draw
            self._annotations.publish(
                messages.annotations_message(self._foxglove_msgs, answer.header, answer.result, drawn)
            )
        if self._humans or self._poses.watched:
            self._to_executor.put(answer)

    def draw(self, answer: Answer, latency: float | None) -> None:
        """Have the faces drawn on the frame and published, where somebody subscribes.

        Args:
          answer: what is drawn.
          latency: shown on the image, in seconds.
        """
        watched = self._image.get_subscription_count() or self._jpeg.get_subscription_count()
        if watched and self._drawing.put((answer, latency)):
            self._statistics.drawing_dropped()

    @property
    def face_poses(self) -> str:
        """What becomes of `~/face_poses`, in a few words."""
        return self._poses.status

    def follow(self) -> None:
        """Look at who subscribes to what needs further input."""
        self._poses.follow()

    def clear(self) -> None:
        """Withdraw what was published of faces that are tracked no longer."""
        if self._humans:
            self._to_executor.flush()
            self._humans.clear(Header(stamp=self._node.get_clock().now().to_msg()))

    def rest(self) -> None:
        """Withdraw the faces and take no further input."""
        self.clear()
        self._poses.rest()

    def close(self) -> None:
        """End all topics."""
        self._drawing.close()
        self._to_executor.close()
        if self._humans:
            self._humans.close(Duration(seconds=DELIVERY_SECONDS))
        for publisher in self._managed:
            self._node.destroy_lifecycle_publisher(publisher)

    def _publish_on_executor(self, answer: Answer) -> None:
        if self._humans:
            self._humans.publish(answer.header, answer.frame, answer.result)
        self._poses.publish(answer.header, answer.result, answer.settings.position)

    def _publish_drawn(self, item: tuple[Answer, float | None]) -> None:
        answer, latency = item
        raw = self._image.get_subscription_count() > 0
        compressed = self._jpeg.get_subscription_count() > 0
        if not raw and not compressed:
            return
        status = status_text(self._statistics.rate_out or None, None if latency is None else 1000 * latency)
        drawn = draw(answer.frame.bgr, answer.result.faces, answer.settings.draw, status)
        if raw:
            self._image.publish(messages.image_message(answer.header, drawn))
        if compressed:
            jpeg = encode_jpeg(drawn, answer.settings.node.jpeg_quality)
            self._jpeg.publish(messages.jpeg_message(answer.header, jpeg))

    def _publisher(self, message_type: type, topic: str, depth: int) -> Any:
        """A publisher of `~/topic`, or of `~/camera/topic`."""
        named = topic.replace("~/", f"~/{self._prefix}", 1)
        publisher = self._node.create_lifecycle_publisher(message_type, named, depth)
        self._managed.append(publisher)
        return publisher
