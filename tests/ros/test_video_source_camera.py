"""video_source on a camera, played by a stand-in: its node runs in the test's process."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from femo_ros import video_source_node
from femo_ros.video_source_node import VideoSourceNode
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from femo_jax.errors import SourceError

AGE = 0.5


class Camera:
    """Frames that were taken half a second ago, 50 a second, until it is closed or unplugged."""

    live = True
    frames_per_second = None
    dropped = 0

    def __init__(self):
        self.closed = threading.Event()
        self.unplugged = threading.Event()
        self.asked = None

    def __iter__(self):
        while not self.closed.wait(0.02):
            if self.unplugged.is_set():
                raise SourceError("camera 0: gave no frame for 30 s")
            yield SimpleNamespace(image=np.zeros((4, 6, 3), np.uint8), time=time.monotonic() - AGE)

    def close(self):
        self.closed.set()


@pytest.fixture
def camera(monkeypatch):
    """The stand-in, which is what any source opens."""
    camera = Camera()

    def open_source(spec, **options):
        camera.asked = spec, options
        return camera

    monkeypatch.setattr(video_source_node, "open_source", open_source)
    return camera


@pytest.fixture
def start_node_here(camera, domain):
    """A function of parameters that starts the node in this process."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    nodes = []

    def start(**parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        nodes.append(VideoSourceNode(context=context, parameter_overrides=overrides))
        nodes[-1].start()
        return nodes[-1]

    yield start
    camera.close()
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def test_stamps_tell_when_an_image_was_taken(start_node_here, client):
    """Not when it was published."""
    node = start_node_here()
    ages = []

    def measure(message):
        ages.append(time.time() - message.header.stamp.sec - message.header.stamp.nanosec * 1e-9)

    client.node.create_subscription(Image, "/image_raw", measure, 10)
    client.spin_until(lambda: len(ages) > 5, "images")
    assert AGE <= np.median(ages) < AGE + 0.3
    node.end()


def test_a_simulated_clock_that_stands_at_zero(start_node_here, client):
    """Does not matter: nothing lies before it."""
    node = start_node_here(use_sim_time=True)
    images = client.collect(Image, "/image_raw")
    client.spin_until(lambda: images, "an image")
    assert (images[0].header.stamp.sec, images[0].header.stamp.nanosec) == (0, 0)
    node.end()


def test_the_camera_is_asked_for_size_and_rate(start_node_here, camera, client):
    """It may give others: images are scaled, and come no faster."""
    node = start_node_here(source="2", width=12, height=8, rate=10.0)
    assert camera.asked == ("2", {"size": (12, 8), "rate": 10.0})
    stamps = []
    client.node.create_subscription(Image, "/image_raw", lambda message: stamps.append((time.time(), message)), 10)
    client.spin_until(lambda: len(stamps) > 8, "images")
    assert {(message.width, message.height) for _, message in stamps} == {(12, 8)}
    assert np.median(np.diff([moment for moment, _ in stamps])) == pytest.approx(0.1, rel=0.3)
    node.end()


def test_secrets_of_an_address_are_not_logged(start_node_here, camera, capfd):
    """Neither password nor token."""
    node = start_node_here(source="rtsp://user:hunter2@camera/stream?token=hunter3")
    node.end()
    log = "".join(capfd.readouterr())
    assert "Playing rtsp://" in log
    assert "hunter" not in log


def test_the_end_does_not_wait_for_the_camera(start_node_here, camera):
    """It is closed, and the thread ends."""
    node = start_node_here(loop=True)
    assert not node.ended
    node.end()
    assert node.ended
    assert camera.closed.is_set()


def test_a_camera_that_is_given_up_is_an_error(start_node_here, camera, client):
    """For the program to tell."""
    node = start_node_here(loop=True)
    camera.unplugged.set()
    client.spin_until(lambda: node.ended, "the end")
    with pytest.raises(SourceError, match="gave no frame"):
        node.end()
