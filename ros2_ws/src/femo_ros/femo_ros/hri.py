"""Faces as REP-155 (ROS for human-robot interaction) has them, with the messages of `hri_msgs`."""

import math
import random
import string
from typing import Any

import cv2
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from femo_jax.emotions import rep155_name
from femo_jax.live.image import Box, DetectedFace, InputImage
from femo_jax.live.results import FaceEmotion, FrameResult
from femo_ros.messages import image_message

FACES = "/humans/faces"
DEPTH = 10

YUNET_LANDMARKS = ("RIGHT_PUPIL", "LEFT_PUPIL", "NOSE", "MOUTH_OUTER_RIGHT", "MOUTH_OUTER_LEFT")
"""The five landmarks of a detector in the words of `hri_msgs/FacialLandmarks`, in the order of `DetectedFace`."""

NUM_LANDMARKS = 70
"""Landmarks of a message, in the order of dlib and OpenPose."""

REMEMBERED = 100
"""Faces out of sight whose ids are kept: most of them never come back, and a robot may run for weeks."""


class HumansFaces:
    """Publishes `/humans/faces/tracked` and the topics of each face, which exist as long as it is tracked.

    A face whose track comes back has its old id again. All methods belong to the executor's thread: publishers are
    made and destroyed here.
    """

    def __init__(self, node: Node, hri_msgs: Any, crop_size: tuple[int, int]) -> None:
        """Make the list of faces; their own topics come and go with them.

        Args:
          node: that publishes.
          hri_msgs: the module `hri_msgs.msg`.
          crop_size: width and height of the cropped faces, in pixels.
        """
        self._crop_size = crop_size
        self._node = node
        self._hri_msgs = hri_msgs
        self._tracked = node.create_publisher(hri_msgs.IdsList, f"{FACES}/tracked", DEPTH)
        self._faces: dict[int, _Face] = {}
        self._ids: dict[int, str] = {}  # of faces out of sight, the longest gone first

    def publish(self, header: Header, frame: InputImage, result: FrameResult) -> None:
        """Publish the faces of a frame under the header of its image, and end the topics of faces that are gone."""
        tracked = {face.track_id: face for face in result.faces if face.track_id is not None}
        for track_id in self._faces.keys() - tracked.keys():
            self._remove(track_id)
        for track_id, face in tracked.items():
            if track_id not in self._faces:
                face_id = self._ids.pop(track_id, None) or self._new_id()
                self._faces[track_id] = _Face(self._node, self._hri_msgs, face_id, self._crop_size)
            self._faces[track_id].publish(header, frame, face)
        self._publish_list(header)

    def clear(self, header: Header) -> None:
        """End the topics of all faces, and publish that none is tracked; without faces, nothing happens."""
        if self._faces:
            for track_id in list(self._faces):
                self._remove(track_id)
            self._publish_list(header)

    def close(self, wait: Duration) -> None:
        """End all topics, once the last list has arrived everywhere or the time is up."""
        self._tracked.wait_for_all_acked(wait)
        for track_id in list(self._faces):
            self._remove(track_id)
        self._node.destroy_publisher(self._tracked)

    def _publish_list(self, header: Header) -> None:
        self._tracked.publish(self._hri_msgs.IdsList(header=header, ids=[face.id for face in self._faces.values()]))

    def _remove(self, track_id: int) -> None:
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

    def __init__(self, node: Node, hri_msgs: Any, face_id: str, crop_size: tuple[int, int]) -> None:
        self.id = face_id
        self._crop_size = crop_size
        self._node = node
        self._hri_msgs = hri_msgs
        self._roi = self._publisher(hri_msgs.NormalizedRegionOfInterest2D, "roi")
        self._cropped = self._publisher(Image, "cropped")
        self._expression = self._publisher(hri_msgs.Expression, "expression")
        self._landmarks: Publisher | None = None  # both exist from the first landmarks on
        self._aligned: Publisher | None = None

    def publish(self, header: Header, frame: InputImage, face: FaceEmotion) -> None:
        self._roi.publish(roi_message(self._hri_msgs, header, frame, face))
        self._expression.publish(expression_message(self._hri_msgs, header, face))
        if self._cropped.get_subscription_count():
            self._cropped.publish(image_message(header, cropped(frame.bgr, face.box, self._crop_size)))
        if face.landmarks is not None:
            self._publish_landmarks(header, frame, face, face.landmarks)

    def close(self) -> None:
        for publisher in (self._roi, self._cropped, self._expression, self._landmarks, self._aligned):
            if publisher:
                self._node.destroy_publisher(publisher)

    def _publish_landmarks(self, header: Header, frame: InputImage, face: FaceEmotion, points: np.ndarray) -> None:
        self._landmarks = self._landmarks or self._publisher(self._hri_msgs.FacialLandmarks, "landmarks")
        self._aligned = self._aligned or self._publisher(Image, "aligned")
        self._landmarks.publish(landmarks_message(self._hri_msgs, header, frame, face.score, points))
        if self._aligned.get_subscription_count():
            self._aligned.publish(image_message(header, aligned(frame.bgr, face.box, points, self._crop_size)))

    def _publisher(self, message_type: type, name: str) -> Publisher:
        return self._node.create_publisher(message_type, f"{FACES}/{self.id}/{name}", DEPTH)


def cropped(bgr: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Cut out a face, scale it to fit, centre it and pad it with zeros, as REP-155 has `cropped`.

    Args:
      bgr: the frame, `[h, w, 3] uint8`.
      box: the face, inside the frame.
      size: width and height of the result, in pixels.
    """
    x, y, w, h = map(int, box.rounded())
    width, height = size
    factor = min(width / w, height / h)
    scaled_size = min(width, max(1, round(w * factor))), min(height, max(1, round(h * factor)))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(bgr[y : y + h, x : x + w], scaled_size, interpolation=interpolation)
    padded = np.zeros((height, width, 3), np.uint8)
    left, top = (width - scaled.shape[1]) // 2, (height - scaled.shape[0]) // 2
    padded[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return padded


def aligned(bgr: np.ndarray, box: Box, landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut out a face as `cropped` does, turned about the middle of its box until its eyes are level.

    Args:
      bgr: the frame, `[h, w, 3] uint8`.
      box: the face.
      landmarks: `[5, 2]`, see `femo_jax.live.image.DetectedFace`.
      size: width and height of the result, in pixels; what lies outside the frame or beside the box is black.
    """
    width, height = size
    roll = DetectedFace.of(box, landmarks=landmarks).roll
    factor = min(width / box.w, height / box.h)
    to_result = cv2.getRotationMatrix2D(box.center, math.degrees(roll), factor)
    to_result[:, 2] += np.array([width, height]) / 2 - box.center
    turned = cv2.warpAffine(bgr, to_result, (width, height), flags=cv2.INTER_LINEAR)
    left, top = round((width - factor * box.w) / 2), round((height - factor * box.h) / 2)
    turned[:, :left] = turned[:, width - left :] = 0
    turned[:top] = turned[height - top :] = 0
    return turned


def roi_message(hri_msgs: Any, header: Header, frame: InputImage, face: FaceEmotion) -> Any:
    """Make the message of a face's box, as fractions of the image's size."""
    return hri_msgs.NormalizedRegionOfInterest2D(
        header=header,
        xmin=face.box.x / frame.width,
        ymin=face.box.y / frame.height,
        xmax=(face.box.x + face.box.w) / frame.width,
        ymax=(face.box.y + face.box.h) / frame.height,
        c=1.0 if face.score is None else face.score,
    )


def landmarks_message(hri_msgs: Any, header: Header, frame: InputImage, score: float | None, points: np.ndarray) -> Any:
    """Make the message of a face's landmarks, as fractions of the image's size; those that are unknown have c 0.

    Args:
      hri_msgs: the module `hri_msgs.msg`.
      header: of the image.
      frame: the image.
      score: of the face, which stands for all its landmarks.
      points: `[5, 2]`, see `femo_jax.live.image.DetectedFace`.
    """
    landmarks = [hri_msgs.NormalizedPointOfInterest2D() for _ in range(NUM_LANDMARKS)]
    for name, (x, y) in zip(YUNET_LANDMARKS, points / (frame.width, frame.height), strict=True):
        landmark = landmarks[getattr(hri_msgs.FacialLandmarks, name)]
        landmark.x, landmark.y = float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))
        landmark.c = 1.0 if score is None else score
    return hri_msgs.FacialLandmarks(header=header, landmarks=landmarks, height=frame.height, width=frame.width)


def expression_message(hri_msgs: Any, header: Header, face: FaceEmotion) -> Any:
    """Make the message of a face's emotion, in REP-155's words where it has one.

    Valence and arousal, which femo lacks, are NaN.
    """
    return hri_msgs.Expression(
        header=header,
        expression=rep155_name(face.label),
        valence=math.nan,
        arousal=math.nan,
        confidence=float(face.confidence),
    )
