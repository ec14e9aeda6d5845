import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("femo_msgs", reason="needs ROS 2 and the workspace")

from femo_ros import outputs
from femo_ros.outputs import Answer, Outputs
from femo_ros.parameters import NodeConfig, Settings
from femo_ros.statistics import Statistics
from std_msgs.msg import Header

from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult

NOTHING_BESIDES = NodeConfig(publish_vision_msgs="false", publish_foxglove_msgs="false", publish_hri="false")
IMAGE = InputImage(np.zeros((48, 64, 3), np.uint8))
IMAGES = ("~/image_annotated", "~/image_annotated/compressed")
LONG = 10  # seconds; only a failing test waits for them
RESULT = FrameResult([], 1.0, 64, 48, 1.0, 1.0, True)


class Node:
    """Stands in for the node: messages by topic, and who listens."""

    def __init__(self):
        self.sent = {}
        self.listeners = {}
        self.published = threading.Semaphore(0)

    def create_lifecycle_publisher(self, _message_type, topic, _qos):
        self.sent[topic] = []

        def publish(message):
            self.sent[topic].append(message)
            self.published.release()

        return SimpleNamespace(publish=publish, get_subscription_count=lambda: self.listeners.get(topic, 0))

    create_publisher = create_lifecycle_publisher

    def create_guard_condition(self, _callback):
        return None


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def drawn(monkeypatch):
    """How often something was drawn."""
    calls = []
    draw = outputs.draw
    monkeypatch.setattr(outputs, "draw", lambda *arguments: calls.append(arguments) or draw(*arguments))
    return calls


@pytest.fixture
def outputs_of(node):
    """A function that makes outputs, which are closed after the test."""
    made = []

    def make(config=NOTHING_BESIDES, prefix=""):
        made.append(Outputs(node, config, Statistics(0.0), pytest.fail, prefix))
        return made[-1]

    yield make
    for each in made:
        each._drawing.close()


def answer(header):
    return Answer(header, IMAGE, RESULT, Settings())


@pytest.mark.parametrize(
    ("listeners", "drawings"),
    [
        ({}, 0),
        ({"~/image_annotated": 1}, 1),
        ({"~/image_annotated/compressed": 2}, 1),
        ({"~/image_annotated": 1, "~/image_annotated/compressed": 1}, 1),
    ],
)
def test_drawing_and_encoding_are_done_for_those_who_look(node, outputs_of, drawn, listeners, drawings):
    node.listeners = listeners
    header = Header(frame_id="camera")
    found = outputs_of()
    found.draw(answer(header), 0.02)
    for _ in listeners:
        assert node.published.acquire(timeout=LONG)
    found._drawing.close()
    assert len(drawn) == drawings
    for topic in IMAGES:
        assert len(node.sent[topic]) == (topic in listeners)
        assert all(message.header is header for message in node.sent[topic])


def test_faces_do_not_wait_for_images_and_of_those_the_newest_wins(node, outputs_of, monkeypatch):
    """However long an image takes to be drawn and published."""
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def slow(image, *_arguments):
        begun.release()
        assert go_on.acquire(timeout=LONG)
        return image

    monkeypatch.setattr(outputs, "draw", slow)
    node.listeners = {"~/image_annotated": 1}
    found = outputs_of()
    headers = [Header(frame_id=str(index)) for index in range(4)]
    for index, header in enumerate(headers):
        found.publish(answer(header))
        found.draw(answer(header), 0.02)
        if index == 0:
            assert begun.acquire(timeout=LONG)
    assert [message.header for message in node.sent["~/faces"]] == headers
    assert node.sent["~/image_annotated"] == []
    go_on.release(2)
    assert begun.acquire(timeout=LONG)
    found._drawing.close()
    assert [message.header for message in node.sent["~/image_annotated"]] == [headers[0], headers[3]]
    assert found._statistics.report(1.0).drawings_dropped == 2


def test_faces_are_published_also_when_there_are_none(node, outputs_of):
    outputs_of().publish(answer(Header()))
    (message,) = node.sent["~/faces"]
    assert (message.image_width, message.image_height, message.faces) == (64, 48, [])


def test_topics_of_other_packages_are_made_only_where_they_are_wanted(node, outputs_of):
    outputs_of()
    assert set(node.sent) == {"~/faces", "~/face_poses", *IMAGES}


def test_topics_of_one_of_several_cameras_have_its_name(node, outputs_of):
    found = outputs_of(prefix="front/")
    assert set(node.sent) == {f"~/front/{topic[2:]}" for topic in ("~/faces", "~/face_poses", *IMAGES)}
    found.publish(answer(Header()))
    assert len(node.sent["~/front/faces"]) == 1
