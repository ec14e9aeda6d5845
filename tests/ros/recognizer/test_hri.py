"""REP-155 with the generated messages of hri_msgs: the topics of faces, as other programs see them."""

import array

import cv2
import numpy as np
import pytest

from femo_jax import EmotionRecognizer

TRACKED = "/humans/faces/tracked"


@pytest.fixture
def hri(interfaces):
    """The module hri_msgs.msg."""
    import hri_msgs.msg

    return hri_msgs.msg


def show_until(recognizer, camera, image, condition, what):
    """Shows an image again and again until the condition holds."""

    def shown():
        camera.show(image)
        recognizer.client.spin_for(0.03)
        return condition()

    recognizer.client.spin_until(shown, what)


def test_faces_that_are_tracked_have_topics_of_their_own(hri, recognizer, camera, scene):
    from sensor_msgs.msg import Image

    client = recognizer.client
    lists = client.collect(hri.IdsList, TRACKED)
    show_until(recognizer, camera, scene.image, lambda: lists and lists[-1].ids, "a tracked face")
    (face,) = lists[-1].ids
    regions = client.collect(hri.NormalizedRegionOfInterest2D, f"/humans/faces/{face}/roi")
    expressions = client.collect(hri.Expression, f"/humans/faces/{face}/expression")
    crops = client.collect(Image, f"/humans/faces/{face}/cropped")
    show_until(recognizer, camera, scene.image, lambda: regions and expressions and crops, "its topics")
    x, y, w, h = scene.box
    roi = regions[-1]
    assert (roi.xmin, roi.ymin) == pytest.approx((x / 640, y / 480), abs=0.03)
    assert (roi.xmax, roi.ymax) == pytest.approx(((x + w) / 640, (y + h) / 480), abs=0.03)
    assert expressions[-1].expression == hri.Expression.HAPPY
    assert 0.5 < expressions[-1].confidence <= 1
    assert 0 < roi.c <= 1
    assert roi.header.frame_id == "camera_optical_frame"

    # Without images, nothing is tracked any more.
    client.spin_until(lambda: not lists[-1].ids, "an empty list")
    client.spin_until(lambda: not client.node.count_publishers(f"/humans/faces/{face}/roi"), "the end of the topics")
    assert len(recognizer.answers) > 0

    # The same face comes back under its id, and the list is empty at the end.
    show_until(recognizer, camera, scene.image, lambda: lists[-1].ids, "the face again")
    assert lists[-1].ids == [face]
    assert recognizer.process.stop() == 0
    client.spin_until(lambda: not lists[-1].ids, "an empty list at the end")


LANDMARKS = """
from femo_jax.live.detection import haar
from femo_jax.live.image import DetectedFace
import numpy as np

look = haar.HaarDetector._look

def with_landmarks(self, *arguments):
    points = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    return [
        (DetectedFace.of(face, 0.5, points * face[2:] + face[:2]), hits) for face, hits in look(self, *arguments)
    ]

haar.HaarDetector._look = with_landmarks
"""


def test_landmarks_of_the_detector_have_the_codes_of_hri_msgs(hri, start_recognizer, quick, camera, scene):
    from sensor_msgs.msg import Image

    recognizer = start_recognizer(quick, setup=LANDMARKS)
    client = recognizer.client
    lists = client.collect(hri.IdsList, TRACKED)
    show_until(recognizer, camera, scene.image, lambda: lists and lists[-1].ids, "a tracked face")
    topic = f"/humans/faces/{lists[-1].ids[0]}"
    landmarks = client.collect(hri.FacialLandmarks, f"{topic}/landmarks")
    crops = client.collect(Image, f"{topic}/aligned")
    show_until(recognizer, camera, scene.image, lambda: landmarks and crops, "landmarks and the aligned crop")
    found = landmarks[-1]
    assert (found.width, found.height, len(found.landmarks)) == (640, 480, 70)
    x, y, w, h = scene.box
    for code, (across, down) in ((hri.FacialLandmarks.RIGHT_PUPIL, (0.3, 0.4)), (hri.FacialLandmarks.NOSE, (0.5, 0.6))):
        point = found.landmarks[code]
        assert (point.x, point.y) == pytest.approx(((x + across * w) / 640, (y + down * h) / 480), abs=0.03)
        assert point.c == 0.5
    assert found.landmarks[hri.FacialLandmarks.MENTON].c == 0
    assert (crops[-1].width, crops[-1].height) == (128, 128)


CREATED_IN = """
import threading

from rclpy.node import Node

for name in ("create_publisher", "destroy_publisher"):
    def wrapped(self, *arguments, _original=getattr(Node, name), _name=name, **options):
        if threading.current_thread() is not threading.main_thread():
            print(f"{_name} in {threading.current_thread().name}", flush=True)
        return _original(self, *arguments, **options)
    setattr(Node, name, wrapped)
"""


def test_publishers_come_and_go_on_the_executors_thread(hri, start_recognizer, quick, camera, scene):
    """Rclpy does not allow for another one."""
    recognizer = start_recognizer({**quick, "track.max_age_ms": 0.0}, setup=CREATED_IN)
    lists = recognizer.client.collect(hri.IdsList, TRACKED)
    for image, tracked in ((scene.image, True), (scene.image * 0, False), (scene.image, True)):
        show_until(
            recognizer, camera, image, lambda tracked=tracked: lists and bool(lists[-1].ids) == tracked, "the faces"
        )
    assert " in recognition" not in recognizer.process.log


def test_another_detectors_faces_get_expressions_and_nothing_else(hri, start_recognizer, quick, client, scene):
    """With faces_from hri, the node is one of several that share the work on a person."""
    from sensor_msgs.msg import Image

    recognizer = start_recognizer({**quick, "faces_from": "hri"})
    lists = client.publisher(hri.IdsList, TRACKED)
    x, y, w, h = scene.box
    happy = cv2.resize(scene.image[y : y + h, x : x + w], (128, 128))
    faces = {"abcde": happy, "fghij": np.full((128, 128, 3), 120, np.uint8)}
    lists.publish(hri.IdsList(ids=list(faces)))
    crops = {face: client.publisher(Image, f"/humans/faces/{face}/cropped") for face in faces}
    expressions = {face: client.collect(hri.Expression, f"/humans/faces/{face}/expression") for face in faces}

    def shown():
        for number, (face, bgr) in enumerate(faces.items()):
            message = Image(height=128, width=128, step=384, encoding="bgr8", data=array.array("B", bgr.tobytes()))
            message.header.frame_id, message.header.stamp.sec = "camera", 5 + number
            crops[face].publish(message)
        client.spin_for(0.05)
        return all(expressions.values())

    client.spin_until(shown, "an expression of each face")
    first = expressions["abcde"][-1]
    assert first.expression == hri.Expression.HAPPY and first.confidence > 0.5
    assert (first.header.stamp.sec, first.header.frame_id) == (5, "camera")
    plain, everyday = (EmotionRecognizer.load(prior=prior).cropped(happy).confidence for prior in (None, "everyday"))
    assert first.confidence == pytest.approx(everyday, abs=1e-4), "the prior of live use is that of the node"
    assert abs(everyday - plain) > 1e-3
    assert expressions["fghij"][-1].header.stamp.sec == 6

    lists.publish(hri.IdsList(ids=["fghij"]))
    gone = "/humans/faces/abcde"
    client.spin_until(lambda: not client.node.count_publishers(f"{gone}/expression"), "the end of the face's topic")
    assert client.node.count_subscribers(f"{gone}/cropped") == 0
    assert client.node.count_publishers("/humans/faces/fghij/roi") == 0
    assert client.node.count_publishers(TRACKED) == 1, "its own list would contradict that of the detector"
    assert recognizer.answers == []
    assert recognizer.process.stop() == 0
    assert "Traceback" not in recognizer.process.log
