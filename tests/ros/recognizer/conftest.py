"""The node emotion_recognizer in a process of its own, a camera that shows it images, and all that it answers."""

import array
import itertools
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

NODE = "/emotion_recognizer"

QUICK = {
    "track.min_hits": 1,
    "track.classify_every_ms": 0.0,
    "track.smoothing_ms": 0.0,
    "track.uncertain_for_ms": 0.0,
    "search.full_scan_ms": 0.0,
}
"""Parameters with which a single image is enough: each frame is searched as a whole, each face classified and shown."""


REPORTS_OFTEN = """
from femo_ros import recognizer_node

recognizer_node.REPORT_SECONDS = 0.1
"""
"""Code by which a node publishes its diagnostics ten times a second: tests wait for many of them."""


@pytest.fixture
def quick():
    """QUICK, for tests that start the node with parameters of their own."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def scene():
    """An image with one smiling face, `[480, 640, 3] uint8` BGR, and the face's box (x, y, w, h)."""
    from skimage import data

    head = cv2.resize(data.astronaut()[:220, 120:330, ::-1], None, fx=1.5, fy=1.5)
    image = np.full((480, 640, 3), 90, np.uint8)
    image[: head.shape[0], 100 : 100 + head.shape[1]] = head
    return SimpleNamespace(image=image, box=(185, 99, 145, 145), label="happy")


class Camera:
    """Publishes images whose stamps are a thirtieth of a second apart."""

    def __init__(self, client, topic="/image", compressed=False, **qos):
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import CompressedImage, Image

        self.client = client
        self.message_type = CompressedImage if compressed else Image
        self._publisher = client.node.create_publisher(self.message_type, topic, QoSProfile(**{"depth": 5, **qos}))
        self._ticks = itertools.count(3000)

    @property
    def heard(self):
        """Whether the node listens."""
        return self._publisher.get_subscription_count() > 0

    def close(self):
        self.client.node.destroy_publisher(self._publisher)

    def send(self, message, stamp=None):
        """Publishes a message as soon as somebody listens; gives its stamp, (seconds, nanoseconds)."""
        self.client.spin_until(lambda: self.heard, "a subscriber of the camera")
        if stamp is None:
            tick = next(self._ticks)
            stamp = tick // 30, tick % 30 * 33_333_333
        message.header.stamp.sec, message.header.stamp.nanosec = stamp
        message.header.frame_id = "camera_optical_frame"
        self._publisher.publish(message)
        return stamp

    def show(self, bgr, stamp=None):
        """Publishes an image `[h, w, 3] uint8`."""
        return self.send(self.image("bgr8", bgr), stamp)

    def image(self, encoding, rows, padding=0, is_bigendian=False, height=None, width=None):
        """A raw image of rows of numbers, with so many bytes behind each row."""
        rows = np.ascontiguousarray(rows)
        lines = np.pad(rows.reshape(len(rows), -1).view(np.uint8), ((0, 0), (0, padding)))
        return self.message_type(
            encoding=encoding,
            height=height or rows.shape[0],
            width=width or rows.shape[1],
            step=lines.shape[1],
            is_bigendian=is_bigendian,
            data=array.array("B", lines.tobytes()),
        )

    def compressed(self, bgr, suffix=".jpg"):
        """A compressed image."""
        encoded = cv2.imencode(suffix, bgr)[1].tobytes()
        return self.message_type(format=suffix[1:], data=array.array("B", encoded))


@pytest.fixture
def camera(client):
    """A reliable camera on `/image`."""
    return Camera(client)


@pytest.fixture
def new_camera(client):
    """A function that makes cameras: topic, compressed, and what `QoSProfile` takes."""

    def make(*arguments, **options):
        return Camera(client, *arguments, **options)

    return make


class Recognizer:
    """The running node, seen by a client."""

    def __init__(self, process, client, node):
        from diagnostic_msgs.msg import DiagnosticArray
        from femo_msgs.msg import FaceEmotionArray

        self.process, self.client, self.node = process, client, node
        self.answers = client.collect(FaceEmotionArray, f"{node}/faces", 1000)
        self._diagnostics = client.collect(DiagnosticArray, "/diagnostics", 100)

    def answer(self, stamp):
        """The faces of the image with this stamp."""

        def find():
            stamps = ((each.header.stamp.sec, each.header.stamp.nanosec) for each in self.answers)
            return next((each for each, found in zip(self.answers, stamps, strict=True) if found == stamp), None)

        return self.client.spin_until(find, f"an answer to {stamp}")

    def faces_of(self, camera, bgr, stamp=None):
        """The faces of an image that the camera shows."""
        return self.answer(camera.show(bgr, stamp)).faces

    @property
    def statuses(self):
        """All statuses of this node, the newest last."""
        name = f"{self.node[1:]}: emotion recognition"
        return [status for array in self._diagnostics for status in array.status if status.name == name]

    def status(self, condition, what):
        """The next status for which the condition of its level, message and values holds."""
        seen = len(self.statuses)

        def find():
            for status in self.statuses[seen:]:
                values = {each.key: each.value for each in status.values}
                found = SimpleNamespace(level=status.level[0], message=status.message, values=values)
                if condition(found):
                    return found
            return None

        return self.client.spin_until(find, f"diagnostics: {what}; last: {self.statuses[-1:]}")

    def state(self):
        """The lifecycle state, as a word."""
        from lifecycle_msgs.srv import GetState

        return self.client.call(GetState, f"{self.node}/get_state").current_state.label

    def change_state(self, transition):
        """Asks for a transition by its label; gives whether it succeeded."""
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request()
        request.transition.label = transition
        return self.client.call(ChangeState, f"{self.node}/change_state", request).success

    def set(self, atomically=False, **values):
        """Sets parameters, `__` standing for the dot; gives the refusals' reasons, empty where there was none."""
        from rcl_interfaces.srv import SetParameters, SetParametersAtomically
        from rclpy.parameter import Parameter

        changes = [Parameter(name.replace("__", "."), value=value).to_parameter_msg() for name, value in values.items()]
        service = SetParametersAtomically if atomically else SetParameters
        name = f"{self.node}/set_parameters{'_atomically' if atomically else ''}"
        response = self.client.call(service, name, service.Request(parameters=changes))
        results = [response.result] if atomically else response.results
        return [each.reason for each in results if not each.successful]

    def get(self, *names):
        """Values of parameters."""
        from rcl_interfaces.srv import GetParameters
        from rclpy.parameter import parameter_value_to_python

        response = self.client.call(GetParameters, f"{self.node}/get_parameters", GetParameters.Request(names=names))
        return [parameter_value_to_python(value) for value in response.values]


@pytest.fixture
def start_recognizer(start_node, client):
    """A function that starts the node with parameters and what else `start_node` takes; a failed test shows its log."""
    started, forks = [], start_node

    def start(parameters=None, namespace=None, start_node=start_node, setup="", **arguments):
        if start_node is forks:
            setup = REPORTS_OFTEN + setup
        process = start_node("emotion_recognizer", parameters, namespace=namespace, setup=setup, **arguments)
        started.append(process)
        return Recognizer(process, client, f"{namespace or ''}{NODE}")

    yield start
    for process in started:
        print(process.log)


@pytest.fixture
def recognizer(start_recognizer):
    """The node with parameters for which a single image is enough."""
    return start_recognizer(QUICK)


@pytest.fixture
def waiting(start_recognizer):
    """The same, unconfigured."""
    return start_recognizer({**QUICK, "autostart": False})
