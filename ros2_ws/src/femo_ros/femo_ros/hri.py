"""Faces as REP-155 (ROS for human-robot interaction) has them, with the messages of `hri_msgs`."""

import math
import random
import string
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from femo_jax.emotions import Emotion
from femo_jax.live.image import InputImage
from femo_jax.live.results import FaceEmotion, FrameResult

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import PublisherEventCallbacks

from femo_ros.messages import image_message

FACES = "/humans/faces"
DEPTH = 10

REMEMBERED = 100
"""Faces out of sight whose ids are kept: most of them never come back, and a robot may run for weeks."""


class HumansFaces:
    """Publishes `/humans/faces/tracked` and the topics of each face, which live as long as it is seen.

    A face whose track comes back has its old id again.
    """

    def __init__(self, node: Node, hri_msgs: Any) -> None:
        """Makes the list of faces; their own topics come and go with them.

        Args:
          node: that publishes.
          hri_msgs: the module `hri_msgs.msg`.
        """
        self._node = node
        self._hri_msgs = hri_msgs
        self._tracked = node.create_publisher(hri_msgs.IdsList, f"{FACES}/tracked", DEPTH)
        self._faces: dict[int, _Face] = {}
        self._ids: dict[int, str] = {}  # of faces out of sight, the longest gone first

    def publish(self, header: Header, picture: InputImage, result: FrameResult) -> None:
        """Publishes the faces of a frame under the header of its image; topics of faces that are gone end."""
        tracked = {face.track_id: face for face in result.faces if face.track_id is not None}
        for track_id in self._faces.keys() - tracked.keys():
            self._forget(track_id)
        for track_id, face in tracked.items():
            if track_id not in self._faces:
                face_id = self._ids.pop(track_id, None) or self._new_id()
                self._faces[track_id] = _Face(self._node, self._hri_msgs, face_id)
            self._faces[track_id].publish(header, picture, face)
        self._tracked.publish(self._hri_msgs.IdsList(header=header, ids=[face.id for face in self._faces.values()]))

    def clear(self, header: Header) -> None:
        """Ends the topics of all faces, and says that none is left."""
        for track_id in list(self._faces):
            self._forget(track_id)
        self._ids = {}
        self._tracked.publish(self._hri_msgs.IdsList(header=header, ids=[]))

    def close(self) -> None:
        """Ends all topics."""
        for track_id in list(self._faces):
            self._forget(track_id)
        self._node.destroy_publisher(self._tracked)

    def _forget(self, track_id: int) -> None:
        face = self._faces.pop(track_id)
        face.close()
        self._ids[track_id] = face.id
        if len(self._ids) > REMEMBERED:
            del self._ids[next(iter(self._ids))]

    def _new_id(self) -> str:
        """Five letters, as REP-155 recommends; a number alone could be no part of a topic's name."""
        taken = {face.id for face in self._faces.values()} | set(self._ids.values())
        while True:
            candidate = "".join(random.choices(string.ascii_lowercase, k=5))
            if candidate not in taken:
                return candidate


class _Face:
    """The topics of one face."""

    def __init__(self, node: Node, hri_msgs: Any, face_id: str) -> None:
        self.id = face_id
        self._node = node
        self._hri_msgs = hri_msgs
        self._roi = self._publisher(hri_msgs.NormalizedRegionOfInterest2D, "roi")
        self._cropped = self._publisher(Image, "cropped")
        self._expression = self._publisher(hri_msgs.Expression, "expression")

    def publish(self, header: Header, picture: InputImage, face: FaceEmotion) -> None:
        self._roi.publish(roi_message(self._hri_msgs, header, picture, face))
        self._expression.publish(expression_message(self._hri_msgs, header, face))
        if self._cropped.get_subscription_count():
            x, y, w, h = map(int, face.box.rounded())
            self._cropped.publish(image_message(header, picture.bgr[y : y + h, x : x + w]))

    def close(self) -> None:
        for publisher in (self._roi, self._cropped, self._expression):
            self._node.destroy_publisher(publisher)

    def _publisher(self, message_type: type, name: str) -> Publisher:
        # Without event callbacks the executor never looks at the publisher: the worker may end it at any time.
        return self._node.create_publisher(
            message_type,
            f"{FACES}/{self.id}/{name}",
            DEPTH,
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )


def roi_message(hri_msgs: Any, header: Header, picture: InputImage, face: FaceEmotion) -> Any:
    """A face's box as fractions of the image's size; the detectors' confidence is not known, the track's is full."""
    return hri_msgs.NormalizedRegionOfInterest2D(
        header=header,
        xmin=face.box.x / picture.width,
        ymin=face.box.y / picture.height,
        xmax=(face.box.x + face.box.w) / picture.width,
        ymax=(face.box.y + face.box.h) / picture.height,
        c=1.0,
    )


def expression_message(hri_msgs: Any, header: Header, face: FaceEmotion) -> Any:
    """A face's emotion in REP-155's words; valence and arousal, which femo does not estimate, are NaN."""
    return hri_msgs.Expression(
        header=header,
        expression=Emotion.from_label(face.label).rep155,
        valence=math.nan,
        arousal=math.nan,
        confidence=float(face.confidence),
    )
