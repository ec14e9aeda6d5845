import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("femo_msgs", reason="needs ROS 2 and the workspace")

from builtin_interfaces.msg import Time
from femo_ros import messages
from femo_ros.messages import (
    annotations_message,
    detections_message,
    faces_message,
    image_message,
    jpeg_message,
    messages_of,
    model_message,
)
from std_msgs.msg import Header

from femo_jax import EMOTIONS
from femo_jax.emotions import Emotion
from femo_jax.errors import ConfigError
from femo_jax.live.config import DrawConfig
from femo_jax.live.image import Box
from femo_jax.live.results import FaceEmotion, FrameResult
from femo_jax.weights import resolve_model


def test_a_face_has_all_that_recognition_knows_of_it():
    probabilities = np.array([0.05, 0.02, 0.1, 0.03, 0.13, 0.07, 0.6], np.float32)
    face = FaceEmotion(Box(10, 20, 30, 40), "surprise", 0.6, probabilities, track_id=3, uncertain=True, age=1.5)
    header = Header(frame_id="camera", stamp=Time(sec=7, nanosec=8))
    message = faces_message(header, FrameResult([face], 1.0, 640, 480, 1.0, 1.0, True))

    assert message.header == header
    assert (message.image_width, message.image_height) == (640, 480)
    (found,) = message.faces
    assert (found.roi.x_offset, found.roi.y_offset, found.roi.width, found.roi.height) == (10, 20, 30, 40)
    assert found.emotion == found.SURPRISE
    assert (found.track_id, found.label, found.uncertain, found.age) == (3, "surprise", True, 1.5)
    assert found.confidence == pytest.approx(0.6)
    np.testing.assert_array_equal(found.probabilities, probabilities)


def test_codes_are_femos_order():
    assert [getattr(messages.FaceEmotion, label.upper()) for label in EMOTIONS] == list(range(7))


def test_an_image_is_bgr_without_padding_also_of_a_part_of_a_frame():
    part = np.arange(20 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 30, 3)[2:10, 5:15]
    message = image_message(Header(frame_id="camera"), part)
    assert (message.encoding, message.height, message.width, message.step) == ("bgr8", 8, 10, 30)
    assert message.is_bigendian == 0
    assert bytes(message.data) == part.tobytes()


def test_a_jpeg_is_labelled_as_image_transport_does():
    message = jpeg_message(Header(frame_id="camera"), b"\xff\xd8\xff")
    assert message.format == "bgr8; jpeg compressed bgr8"
    assert bytes(message.data) == b"\xff\xd8\xff"


def model(**training):
    """A loaded model with this in its file."""
    return SimpleNamespace(architecture="femonet", classes=EMOTIONS, image_size=48, training=training)


def test_a_model_is_told_with_what_its_card_states():
    evaluation = {"accuracy": 0.66, "split": "validation", "n": 3589}
    message = model_message(
        Time(sec=5), "femonet-base", model(evaluation=evaluation, validation={"accuracy": 0.5}, step=1)
    )
    assert message.header.stamp.sec == 5
    assert (message.name, message.input_size) == ("femonet-base", 48)
    assert tuple(message.class_names) == EMOTIONS
    assert message.accuracy == pytest.approx(0.66)
    assert message.accuracy_on == "validation, 3589 images"


def test_an_exported_model_without_a_card_states_what_its_run_found():
    message = model_message(Time(), "mine", model(validation={"accuracy": 0.5, "split": "validation"}))
    assert (message.accuracy, message.accuracy_on) == (0.5, "validation")


def test_models_that_were_made_otherwise_have_other_versions():
    versions = [model_message(Time(), "mine", model(step=step)).version for step in (1, 2, 1)]
    assert versions[0] == versions[2] != versions[1]


def test_the_shipped_models_have_names_of_their_own():
    """As ModelInfo has them."""
    default, named, small = (resolve_model(model).stem for model in (None, "default", "small"))
    assert default == named
    assert default != small


def test_a_model_of_which_nothing_is_known_states_nothing():
    message = model_message(Time(), "mine", model())
    assert (message.version, message.accuracy_on) == ("", "")
    assert math.isnan(message.accuracy)


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


class PointsAnnotation(SimpleNamespace):
    LINE_LOOP = 2


FOXGLOVE_MSGS = SimpleNamespace(
    ImageAnnotations=lambda: SimpleNamespace(timestamp=None, points=[], texts=[]),  # as newer versions have it
    PointsAnnotation=PointsAnnotation,
    TextAnnotation=SimpleNamespace,
    Point2=SimpleNamespace,
    Color=SimpleNamespace,
)


def test_annotations_have_the_colour_of_the_emotion_and_fade_where_it_is_uncertain():
    probabilities = np.full(7, 1 / 7, np.float32)
    face = FaceEmotion(Box(10, 20, 40, 60), "sad", 0.3, probabilities, track_id=7, uncertain=True)
    header = Header(stamp=Time(sec=5))
    result = FrameResult([face], 1.0, 640, 480, 1.0, 1.0, True)
    message = annotations_message(FOXGLOVE_MSGS, header, result, DrawConfig(ids=False))
    (box,), (label,) = message.points, message.texts
    assert message.timestamp is box.timestamp is label.timestamp is header.stamp
    assert [(point.x, point.y) for point in box.points] == [(10, 20), (50, 20), (50, 80), (10, 80)]
    color = box.outline_color
    assert (color.r, color.g, color.b) == pytest.approx(np.array(Emotion.SAD.rgb) / 255)
    assert color.a < 1
    assert label.text == "sad? 30%"


def test_an_image_without_faces_has_an_empty_list():
    message = detections_message(VISION_MSGS, Header(), FrameResult([], 1.0, 640, 480, 1.0, 1.0, True))
    assert message.detections == []


HRI = ("hri_msgs", "publish_hri")


@pytest.fixture
def installed(monkeypatch):
    """Package hri_msgs, with nothing in it."""
    package, messages = ModuleType("hri_msgs"), ModuleType("hri_msgs.msg")
    monkeypatch.setitem(sys.modules, "hri_msgs", package)
    monkeypatch.setitem(sys.modules, "hri_msgs.msg", messages)
    return messages


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "hri_msgs", None)
    monkeypatch.delitem(sys.modules, "hri_msgs.msg", raising=False)


@pytest.mark.parametrize(("wanted", "used"), [("auto", True), ("true", True), ("false", False)])
def test_an_installed_package_is_used_unless_it_is_not_wanted(installed, wanted, used):
    assert messages_of(*HRI, wanted) is (installed if used else None)


@pytest.mark.parametrize("wanted", ["auto", "false"])
def test_a_missing_package_is_no_error(missing, wanted):
    assert messages_of(*HRI, wanted) is None


def test_a_missing_package_that_is_wanted_is_an_error_that_says_what_to_do(missing):
    with pytest.raises(ConfigError, match=r"publish_hri is true, but package hri_msgs .* ros-\$ROS_DISTRO-hri-msgs"):
        messages_of(*HRI, "true")
