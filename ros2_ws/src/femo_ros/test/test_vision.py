from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("std_msgs", reason="needs ROS 2")

from femo_ros.vision import detections_message
from std_msgs.msg import Header

from femo_jax import EMOTIONS
from femo_jax.live.image import Box
from femo_jax.live.results import FaceEmotion, FrameResult


class Detection2D(SimpleNamespace):
    """As in vision_msgs 4: `BoundingBox2D bbox` with `Pose2D center`."""

    def __init__(self, **fields):
        center = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0), theta=0.0)
        super().__init__(bbox=SimpleNamespace(center=center, size_x=0.0, size_y=0.0), **fields)


class ObjectHypothesisWithPose(SimpleNamespace):
    def __init__(self):
        super().__init__(hypothesis=SimpleNamespace(class_id="", score=0.0))


VISION_MSGS = SimpleNamespace(
    Detection2DArray=SimpleNamespace,
    Detection2D=Detection2D,
    ObjectHypothesisWithPose=ObjectHypothesisWithPose,
)


def test_each_face_has_its_box_and_all_emotions_the_most_probable_first():
    probabilities = np.array([0.05, 0.02, 0.1, 0.6, 0.13, 0.07, 0.03], np.float32)
    face = FaceEmotion(Box(10, 20, 40, 60), "happy", 0.6, probabilities, track_id=7, age=1.0)
    header = Header(frame_id="camera")
    message = detections_message(VISION_MSGS, header, FrameResult([face], 1.0, 640, 480, 1.0, 1.0, True))

    (detection,) = message.detections
    assert message.header is detection.header is header
    assert detection.id == "7"
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (30.0, 50.0)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (40.0, 60.0)
    found = [(each.hypothesis.class_id, each.hypothesis.score) for each in detection.results]
    assert [label for label, _ in found] == ["happy", "neutral", "fear", "sad", "angry", "surprise", "disgust"]
    assert dict(found) == pytest.approx(dict(zip(EMOTIONS, map(float, probabilities), strict=True)))


def test_an_image_without_faces_has_an_empty_list():
    message = detections_message(VISION_MSGS, Header(), FrameResult([], 1.0, 640, 480, 1.0, 1.0, True))
    assert message.detections == []
