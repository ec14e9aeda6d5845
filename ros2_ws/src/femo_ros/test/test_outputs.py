from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("femo_msgs", reason="needs ROS 2 and the workspace")

from femo_ros import outputs
from femo_ros.outputs import Outputs
from femo_ros.parameters import NodeConfig, Settings
from std_msgs.msg import Header

from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult

NOTHING_BESIDES = NodeConfig(publish_vision_msgs="false", publish_hri="false")
PICTURE = InputImage(np.zeros((48, 64, 3), np.uint8))
RESULT = FrameResult([], 1.0, 64, 48, 1.0, 1.0, True)


class Node:
    """Stands in for the node: messages by topic, and who listens."""

    def __init__(self):
        self.sent = {}
        self.listeners = {}

    def create_lifecycle_publisher(self, _message_type, topic, _qos):
        self.sent[topic] = []
        return SimpleNamespace(
            publish=self.sent[topic].append, get_subscription_count=lambda: self.listeners.get(topic, 0)
        )

    create_publisher = create_lifecycle_publisher


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


@pytest.mark.parametrize(
    ("listeners", "drawings"),
    [
        ({}, 0),
        ({"~/image_annotated": 1}, 1),
        ({"~/image_annotated/compressed": 2}, 1),
        ({"~/image_annotated": 1, "~/image_annotated/compressed": 1}, 1),
    ],
)
def test_drawing_and_encoding_are_done_for_those_who_look(node, drawn, listeners, drawings):
    node.listeners = listeners
    header = Header(frame_id="camera")
    Outputs(node, NOTHING_BESIDES).publish_drawn(header, PICTURE, RESULT, Settings(), "24 fps")
    assert len(drawn) == drawings
    for topic in ("~/image_annotated", "~/image_annotated/compressed"):
        assert len(node.sent[topic]) == (topic in listeners)
        assert all(message.header is header for message in node.sent[topic])


def test_faces_are_published_also_when_there_are_none(node):
    Outputs(node, NOTHING_BESIDES).publish(Header(), PICTURE, RESULT)
    (message,) = node.sent["~/faces"]
    assert (message.image_width, message.image_height, message.faces) == (64, 48, [])


def test_topics_of_other_packages_are_made_only_where_they_are_wanted(node):
    Outputs(node, NOTHING_BESIDES)
    assert set(node.sent) == {"~/model_info", "~/faces", "~/image_annotated", "~/image_annotated/compressed"}
