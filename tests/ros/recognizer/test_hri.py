"""REP-155 with the generated messages of hri_msgs: the topics of faces, as other programs see them."""

import pytest

TRACKED = "/humans/faces/tracked"


@pytest.fixture
def hri(interfaces):
    """The module hri_msgs.msg."""
    import hri_msgs.msg

    return hri_msgs.msg


def show_until(recognizer, camera, picture, condition, what):
    """Shows a picture again and again until the condition holds."""

    def shown():
        camera.show(picture)
        recognizer.client.spin_for(0.03)
        return condition()

    recognizer.client.spin_until(shown, what)


def test_faces_that_are_tracked_have_topics_of_their_own(hri, recognizer, camera, scene):
    from sensor_msgs.msg import Image

    client = recognizer.client
    lists = client.collect(hri.IdsList, TRACKED)
    show_until(recognizer, camera, scene.picture, lambda: lists and lists[-1].ids, "a tracked face")
    (face,) = lists[-1].ids
    regions = client.collect(hri.NormalizedRegionOfInterest2D, f"/humans/faces/{face}/roi")
    expressions = client.collect(hri.Expression, f"/humans/faces/{face}/expression")
    crops = client.collect(Image, f"/humans/faces/{face}/cropped")
    show_until(recognizer, camera, scene.picture, lambda: regions and expressions and crops, "its topics")
    x, y, w, h = scene.box
    roi = regions[-1]
    assert (roi.xmin, roi.ymin) == pytest.approx((x / 640, y / 480), abs=0.03)
    assert (roi.xmax, roi.ymax) == pytest.approx(((x + w) / 640, (y + h) / 480), abs=0.03)
    assert expressions[-1].expression == hri.Expression.HAPPY
    assert 0.5 < expressions[-1].confidence <= 1
    assert roi.header.frame_id == "camera_optical_frame"

    # Without images, nothing is tracked any more.
    client.spin_until(lambda: not lists[-1].ids, "an empty list")
    client.spin_until(lambda: not client.node.count_publishers(f"/humans/faces/{face}/roi"), "the end of the topics")
    assert len(recognizer.answers) > 0

    # The same face comes back under its id, and the list is empty at the end.
    show_until(recognizer, camera, scene.picture, lambda: lists[-1].ids, "the face again")
    assert lists[-1].ids == [face]
    assert recognizer.process.stop() == 0
    client.spin_until(lambda: not lists[-1].ids, "an empty list at the end")


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
    for picture, tracked in ((scene.picture, True), (scene.picture * 0, False), (scene.picture, True)):
        show_until(
            recognizer, camera, picture, lambda tracked=tracked: lists and bool(lists[-1].ids) == tracked, "the faces"
        )
    assert " in recognition" not in recognizer.process.log
