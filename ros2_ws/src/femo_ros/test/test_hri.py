import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from femo_ros.hri import REMEMBERED, HumansFaces, aligned, cropped
from rclpy.duration import Duration
from std_msgs.msg import Header

from femo_jax.live.image import Box, InputImage
from femo_jax.live.results import FaceEmotion, FrameResult


class FacialLandmarks(SimpleNamespace):
    """The codes of dlib and OpenPose, as hri_msgs documents them."""

    NOSE, MOUTH_OUTER_RIGHT, MOUTH_OUTER_LEFT, RIGHT_PUPIL, LEFT_PUPIL = 30, 48, 54, 68, 69


HRI_MSGS = SimpleNamespace(
    IdsList=SimpleNamespace,
    NormalizedRegionOfInterest2D=SimpleNamespace,
    NormalizedPointOfInterest2D=lambda: SimpleNamespace(x=0.0, y=0.0, c=0.0),
    FacialLandmarks=FacialLandmarks,
    Expression=SimpleNamespace,
)
IMAGE = InputImage(np.arange(100 * 200 * 3, dtype=np.uint32).reshape(100, 200, 3).astype(np.uint8))
HEADER = Header(frame_id="camera")


class Topics:
    """Stands in for the node: the living publishers by topic, and who listens."""

    def __init__(self):
        self.living = {}
        self.listeners = 0
        self.calls = []

    def create_publisher(self, _message_type, topic, _depth):
        messages = []
        publisher = SimpleNamespace(
            topic=topic,
            messages=messages,
            publish=messages.append,
            get_subscription_count=lambda: self.listeners,
            wait_for_all_acked=lambda _duration: self.calls.append(f"waited for {topic}"),
        )
        self.living[topic] = publisher
        return publisher

    def destroy_publisher(self, publisher):
        del self.living[publisher.topic]
        self.calls.append(f"destroyed {publisher.topic}")

    def last(self, topic):
        return self.living[topic].messages[-1]

    @property
    def ids(self):
        return self.last("/humans/faces/tracked").ids


@pytest.fixture
def topics():
    return Topics()


@pytest.fixture
def humans(topics):
    return HumansFaces(topics, HRI_MSGS, (64, 32))


POINTS = np.array([(30.0, 50.0), (50.0, 50.0), (40.0, 60.0), (32.0, 70.0), (48.0, 70.0)])


def frame(*track_ids, **attributes):
    """A result with these faces."""
    found = [
        FaceEmotion(Box(20, 30, 40, 50), "surprise", 0.7, np.full(7, 1 / 7, np.float32), track_id, **attributes)
        for track_id in track_ids
    ]
    return FrameResult(found, 1.0, 200, 100, 1.0, 1.0, True)


def test_a_face_has_its_topics_in_the_words_of_rep_155(topics, humans):
    topics.listeners = 1
    humans.publish(HEADER, IMAGE, frame(1))
    (face,) = topics.ids
    assert face.isalpha() and len(face) == 5
    roi = topics.last(f"/humans/faces/{face}/roi")
    assert (roi.xmin, roi.ymin, roi.xmax, roi.ymax, roi.c) == (0.1, 0.3, 0.3, 0.8, 1.0)
    expression = topics.last(f"/humans/faces/{face}/expression")
    assert expression.expression == "surprised"
    assert expression.confidence == 0.7
    assert math.isnan(expression.valence) and math.isnan(expression.arousal)
    crop = topics.last(f"/humans/faces/{face}/cropped")
    assert (crop.width, crop.height, crop.encoding) == (64, 32, "bgr8")
    pixels = np.frombuffer(crop.data, np.uint8).reshape(32, 64, 3)
    columns = np.flatnonzero(pixels.any(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (19, 44)  # 40x50 becomes 26x32, in the middle of black
    assert roi.header is expression.header is crop.header is topics.last("/humans/faces/tracked").header is HEADER


def test_a_face_of_the_crops_size_is_copied():
    face = cropped(IMAGE.bgr, Box(20, 30, 40, 50), (40, 50))
    np.testing.assert_array_equal(face, IMAGE.bgr[30:80, 20:60])


def test_landmarks_and_the_aligned_crop_come_with_a_detector_that_finds_them(topics, humans):
    topics.listeners = 1
    humans.publish(HEADER, IMAGE, frame(1, score=0.6))
    (face,) = topics.ids
    assert topics.last(f"/humans/faces/{face}/roi").c == 0.6
    assert f"/humans/faces/{face}/landmarks" not in topics.living
    humans.publish(HEADER, IMAGE, frame(1, score=0.8, landmarks=POINTS))
    message = topics.last(f"/humans/faces/{face}/landmarks")
    assert (message.width, message.height) == (200, 100)
    known = {number: (each.x, each.y, each.c) for number, each in enumerate(message.landmarks) if each.c}
    assert len(message.landmarks) == 70
    assert known == {
        68: (0.15, 0.5, 0.8),
        69: (0.25, 0.5, 0.8),
        30: (0.2, 0.6, 0.8),
        48: (0.16, 0.7, 0.8),
        54: (0.24, 0.7, 0.8),
    }
    crop = topics.last(f"/humans/faces/{face}/aligned")
    assert (crop.width, crop.height, crop.encoding) == (64, 32, "bgr8")
    humans.publish(HEADER, IMAGE, frame())
    assert list(topics.living) == ["/humans/faces/tracked"]


@pytest.mark.parametrize("degrees", [-30, 0, 20])
def test_eyes_are_level_in_the_aligned_crop(degrees):
    turn = np.deg2rad(degrees)
    half = 20 * np.array([np.cos(turn), np.sin(turn)])
    eyes = np.array([100.0, 60.0]) + np.array([-half, half])
    bgr = np.zeros((120, 200, 3), np.uint8)
    for channel, (x, y) in enumerate(eyes):
        rows, columns = np.mgrid[:120, :200]
        bgr[..., channel][np.hypot(columns - x, rows - y) < 4] = 255
    crop = aligned(bgr, Box(60, 20, 80, 80), np.vstack([eyes, np.zeros((3, 2))]), (160, 160))
    (right_x, right_y), (left_x, left_y) = (np.argwhere(crop[..., c] > 127).mean(axis=0)[::-1] for c in (0, 1))
    assert right_y == pytest.approx(left_y, abs=1)
    assert left_x - right_x == pytest.approx(80, abs=2)  # twice the size, in the right order
    assert (right_x + left_x) / 2 == pytest.approx(80, abs=1)


def test_what_lies_beside_the_box_is_black_in_the_aligned_crop():
    crop = aligned(np.full((100, 200, 3), 255, np.uint8), Box(20, 30, 40, 50), POINTS, (64, 32))
    columns = np.flatnonzero(crop.any(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (19, 44)


def test_a_crop_that_nobody_looks_at_is_not_made(topics, humans):
    humans.publish(HEADER, IMAGE, frame(1))
    assert topics.living[f"/humans/faces/{topics.ids[0]}/cropped"].messages == []


def test_topics_live_as_long_as_the_track(topics, humans):
    humans.publish(HEADER, IMAGE, frame(1))
    (first,) = topics.ids
    publisher = topics.living[f"/humans/faces/{first}/roi"]
    humans.publish(HEADER, IMAGE, frame(1, 2))
    assert topics.ids[0] == first and len(set(topics.ids)) == 2
    assert topics.living[f"/humans/faces/{first}/roi"] is publisher
    second = topics.ids[1]
    humans.publish(HEADER, IMAGE, frame(2))
    assert topics.ids == [second]
    names = {f"/humans/faces/{second}/{name}" for name in ("cropped", "expression", "roi")}
    assert set(topics.living) == {"/humans/faces/tracked", *names}


def test_a_face_that_comes_back_has_its_id_again(topics, humans):
    humans.publish(HEADER, IMAGE, frame(1))
    (first,) = topics.ids
    humans.publish(HEADER, IMAGE, frame())
    assert topics.ids == []
    assert list(topics.living) == ["/humans/faces/tracked"]
    humans.publish(HEADER, IMAGE, frame(1, 2))
    assert topics.ids[0] == first
    humans.clear(HEADER)  # no images for a while
    humans.publish(HEADER, IMAGE, frame(1))
    assert topics.ids == [first]


def test_faces_out_of_sight_are_not_remembered_for_ever(topics, humans):
    humans.publish(HEADER, IMAGE, frame(1))
    (first,) = topics.ids
    for track_id in range(2, 2 + REMEMBERED):
        humans.publish(HEADER, IMAGE, frame(track_id))
    humans.publish(HEADER, IMAGE, frame(2))
    humans.publish(HEADER, IMAGE, frame(1))
    assert topics.ids != [first]
    assert len(humans._ids) <= REMEMBERED


def test_faces_end_when_the_node_rests_and_the_list_when_it_closes(topics, humans):
    humans.publish(HEADER, IMAGE, frame(1, 2))
    humans.clear(HEADER)
    assert topics.ids == []
    assert list(topics.living) == ["/humans/faces/tracked"]
    humans.clear(HEADER)
    assert len(topics.living["/humans/faces/tracked"].messages) == 2  # an empty list is published once
    humans.close(Duration(seconds=1))
    assert topics.living == {}
    assert topics.calls[-2:] == ["waited for /humans/faces/tracked", "destroyed /humans/faces/tracked"]
