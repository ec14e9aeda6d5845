"""What the launch file starts, started for real: its nodes find each other, in every namespace and transport.

`launch` itself has no wheels. The launch file is run with a stand-in that has its documented interface, and the nodes
that come out of it become processes in the way in which `launch_ros` makes them.
"""

import importlib.util
import json
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from femo_msgs.msg import FaceEmotionArray
from sensor_msgs.msg import Image
from skimage import data

PACKAGE = Path(__file__).parents[2] / "ros2_ws" / "src" / "femo_ros"


def load(path):
    """The module of a file that no import statement finds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(node):
    """The arguments that `launch_ros` gives to a node."""
    arguments = ["--ros-args", *node.ros_arguments]
    arguments += ["-r", f"__node:={node.name}"]
    if node.namespace:
        arguments += ["-r", f"__ns:=/{node.namespace.strip('/')}"]
    for parameters in node.parameters:
        if isinstance(parameters, dict):
            for name, value in parameters.items():
                arguments += ["-p", f"{name}:={json.dumps(getattr(value, 'value', value))}"]
        else:
            arguments += ["--params-file", parameters]
    for before, after in node.remappings:
        arguments += ["-r", f"{before}:={after}"]
    return arguments


@pytest.fixture
def launch(start_node, monkeypatch):
    """A function of launch arguments that starts the nodes, and gives them by executable."""

    def run(**given):
        launch_api = load(PACKAGE / "test" / "launch_api.py")
        for name, module in launch_api.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        *declared, opaque = load(PACKAGE / "launch" / "femo.launch.py").generate_launch_description().entities
        defaults = {argument.name: argument.default_value for argument in declared}
        defaults["params_file"] = str(PACKAGE / "config" / "femo.yaml")
        nodes = opaque.function(launch_api.LaunchContext(**{**defaults, **given}))
        return {node.executable: start_node(node.executable, command_line=command(node)) for node in nodes}

    return run


@pytest.fixture
def image(tmp_path):
    """The path of an image with one face."""
    path = tmp_path / "face.png"
    scene = np.full((480, 640, 3), 90, np.uint8)
    scene[:, 64:576] = data.astronaut()[:480, :, ::-1]
    cv2.imwrite(str(path), scene)
    return str(path)


def test_a_source_is_recognised(launch, client, image):
    """With the shipped parameter file, raw, in a namespace, on a topic of another name."""
    nodes = launch(source=image, namespace="robot", image="/eye/image")
    answers = client.collect(FaceEmotionArray, "/robot/emotion_recognizer/faces")
    client.spin_until(lambda: answers and answers[-1].faces, "a face")
    assert (answers[-1].image_width, answers[-1].image_height) == (640, 480)
    assert answers[-1].header.frame_id == "camera"

    annotated = client.collect(Image, "/robot/emotion_recognizer/image_annotated", 2)
    client.spin_until(lambda: annotated, "an annotated image")
    assert nodes["emotion_recognizer"].stop(signal.SIGINT) == 0
    assert nodes["video_source"].stop(signal.SIGINT) == 0


def test_a_source_is_recognised_compressed(launch, client, image):
    """Both ends by one argument, under the camera's name."""
    nodes = launch(source=image, image="eye", image_transport="compressed", log_level="debug")
    answers = client.collect(FaceEmotionArray, "/emotion_recognizer/faces")
    client.spin_until(lambda: answers and answers[-1].faces, "a face")
    (publisher,) = client.spin_until(
        lambda: client.node.get_publishers_info_by_topic("/eye/compressed"), "the publisher of JPEGs"
    )
    assert publisher.topic_type == "sensor_msgs/msg/CompressedImage"
    for node in nodes.values():
        assert node.stop(signal.SIGTERM) == 0


def test_cameras_and_their_topics_are_those_of_the_arguments(launch, client, image):
    """A source for each, on the topics that the argument makes of the names."""
    launch(cameras="front,rear", image="/robot/{camera}/image")
    launch(source=image, image="/robot/front/image", node_name="other")
    answers = client.collect(FaceEmotionArray, "/emotion_recognizer/front/faces")
    client.spin_until(lambda: answers and answers[-1].faces, "a face")
    (listening,) = client.node.get_subscriptions_info_by_topic("/robot/rear/image")
    assert listening.node_name == "emotion_recognizer"
