"""Expression-only mode: another node detects the faces of REP-155, this one classifies their crops.

/humans/faces/tracked          which faces there are
/humans/faces/<id>/cropped     in, or `aligned`
/humans/faces/<id>/expression  out
"""

import time
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from femo_jax.live.image import InputImage
from femo_jax.live.results import FaceEmotion, SmoothedEmotion, first_emotion, is_uncertain, next_emotion
from femo_jax.weights import resolve_model
from femo_ros.camera_pipeline import THROTTLE_SECONDS, Received, decode
from femo_ros.camera_topic import LATCHED, offers
from femo_ros.hri import DEPTH, FACES, expression_message
from femo_ros.images import ImageError
from femo_ros.messages import messages_of, model_message
from femo_ros.parameters import Settings
from femo_ros.pipeline import load_recognizer
from femo_ros.statistics import Statistics
from femo_ros.timing import seconds_of
from femo_ros.worker import NewestWins, OnExecutor

CROPS = QoSProfile(depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Crops are small, and only the newest one of a face counts; best effort hears every publisher."""


class HriFaces:
    """The subscriptions to another node's faces; its methods belong to the executor's thread."""

    def __init__(self, node: Node, pipeline: "ExpressionPipeline", crop: str, received: Any) -> None:
        """Subscribe to the list of faces; their crops come and go with them.

        Args:
          node: to which the subscriptions belong.
          pipeline: which publishes for the faces that there are.
          crop: name of the crops' topic, `cropped` or `aligned`.
          received: called with each crop and the id of its face.
        """
        self._node = node
        self._pipeline = pipeline
        self._crop = crop
        self._received = received
        self._crops: dict[str, Any] = {}
        self._list = node.create_subscription(pipeline.hri_msgs.IdsList, f"{FACES}/tracked", self._update, DEPTH)
        self.follow()

    @property
    def topic(self) -> str:
        """The topic of the list."""
        return self._list.topic_name

    @property
    def publishers(self) -> str:
        """Who publishes the list."""
        if not self._publishers:
            return "no publisher"
        return f"{', '.join(map(str, self._publishers))}; {len(self._crops)} faces"

    def follow(self, _mode: str | None = None) -> None:
        """Look at who publishes the list."""
        self._publishers = offers(self._node.get_publishers_info_by_topic(f"{FACES}/tracked"))

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._list)
        for subscription in self._crops.values():
            self._node.destroy_subscription(subscription)

    def _update(self, message: Any) -> None:
        ids = set(message.ids)
        for gone in self._crops.keys() - ids:
            self._node.destroy_subscription(self._crops.pop(gone))
        for new in sorted(ids - self._crops.keys()):
            self._crops[new] = self._node.create_subscription(
                Image, f"{FACES}/{new}/{self._crop}", lambda image, face=new: self._received(image, face), CROPS
            )
        self._pipeline.set_faces(ids)


@dataclass(frozen=True)
class _Track:
    """What is known of one face."""

    emotion: SmoothedEmotion
    first_seen: float
    last_seen: float


class ExpressionPipeline:
    """From a face crop to its expression; has the interface of `Pipeline`."""

    def __init__(self, node: Node, settings: Settings, statistics: Statistics) -> None:
        """Load the model and compile it.

        Raises:
          FemoError: the model cannot be loaded, or hri_msgs is missing.
        """
        self.hri_msgs = messages_of("hri_msgs", "faces_from is hri, and with it publish_hri", "true")
        self._node = node
        self._statistics = statistics
        self._settings = settings
        self.model_name = resolve_model(settings.node.model).stem
        self._recognizer = load_recognizer(settings)
        self._model_info = node.create_publisher(type(self._info()), "~/model_info", LATCHED)
        self._model_info.publish(self._info())
        self._to_publishers = OnExecutor(node, self._publish, DEPTH * 4)
        self._publishers: dict[str, Any] = {}
        self._tracks: dict[str, _Track] = {}

    def set_faces(self, ids: set[str]) -> None:
        """Publish for these faces and no others; for the executor's thread."""
        for gone in self._publishers.keys() - ids:
            self._node.destroy_publisher(self._publishers.pop(gone))
        for gone in self._tracks.keys() - ids:
            self._tracks.pop(gone, None)
        for new in sorted(ids - self._publishers.keys()):
            self._publishers[new] = self._node.create_publisher(
                self.hri_msgs.Expression, f"{FACES}/{new}/expression", DEPTH
            )

    def change(self, settings: Settings) -> None:
        """Apply other settings from the next crop on."""
        self._settings = settings

    def begin(self) -> None:
        """Expect crops that have nothing to do with those before."""
        self._tracks.clear()

    def expire(self, now: float) -> None:
        """Do nothing: the list of faces says which there are."""

    def follow(self) -> None:
        """Do nothing: expressions need no further input."""

    def face_poses(self, camera: str) -> str:
        """Nothing: crops have no place."""
        return ""

    def worker(self) -> NewestWins[Received]:
        """Start a thread that classifies one crop after the other."""
        return NewestWins(self, "recognition", self.failed)

    def end(self) -> None:
        """Stop to publish."""
        self.set_faces(set())

    def close(self) -> None:
        """End the topics."""
        self.set_faces(set())
        self._to_publishers.close()
        self._node.destroy_publisher(self._model_info)

    def failed(self, error: BaseException) -> None:
        """Log and count a crop that was lost to an error of the program."""
        self._statistics.failed(f"{type(error).__name__}: {error}")
        text = "".join(traceback.format_exception(error))
        self._node.get_logger().error(f"Crop skipped: {text}", throttle_duration_sec=THROTTLE_SECONDS)

    def __call__(self, received: Received) -> None:
        """Classify one crop."""
        message: Image | CompressedImage = received.message
        try:
            crop = InputImage(decode(message))
        except ImageError as error:
            self._statistics.undecodable(str(error))
            self._node.get_logger().warning(f"Crop skipped: {error}", throttle_duration_sec=THROTTLE_SECONDS)
            return
        face = self._smoothed(received.source, crop, received.arrival)
        self._to_publishers.put((received.source, message.header, face))
        stamp = seconds_of(message.header)
        from_stamp = self._node.get_clock().now().nanoseconds * 1e-9 - stamp if stamp else None
        now = time.monotonic()
        self._statistics.answered(now, len(self._tracks), from_stamp, now - received.arrival)

    def _smoothed(self, face: str, crop: InputImage, now: float) -> FaceEmotion:
        """The emotion of a crop, after those of the same face before it."""
        config = self._settings.track
        still = self._recognizer.cropped(crop)
        before = self._tracks.get(face)
        if before is None:
            track = _Track(first_emotion(np.asarray(still.probabilities), still.contrast), now, now)
        else:
            emotion = next_emotion(before.emotion, still.probabilities, now - before.last_seen, config, still.contrast)
            track = _Track(emotion, before.first_seen, now)
        self._tracks[face] = track
        age = now - track.first_seen
        return FaceEmotion(
            still.box,
            still.class_names[track.emotion.label],
            track.emotion.confidence,
            track.emotion.probabilities,
            uncertain=is_uncertain(track.emotion, age, 0.0, config),
            age=age,
            class_names=still.class_names,
        )

    def _publish(self, item: tuple[str, Header, FaceEmotion]) -> None:
        face_id, header, face = item
        if face_id in self._publishers:
            self._publishers[face_id].publish(expression_message(self.hri_msgs, header, face))

    def _info(self) -> Any:
        return model_message(self._node.get_clock().now().to_msg(), self.model_name, self._recognizer.model)
