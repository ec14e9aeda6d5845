"""Two nodes in two namespaces on two cameras know nothing of each other."""

import numpy as np


def test_two_cameras_have_a_node_each(start_recognizer, quick, new_camera, scene):
    left = start_recognizer(quick, namespace="/left")
    right = start_recognizer(quick, namespace="/right")
    left_camera, right_camera = new_camera("/left/image"), new_camera("/right/image")
    blank = np.full((240, 320, 3), 90, np.uint8)
    for step in range(3):
        stamp = (5000 + step, 0)
        (face,) = left.faces_of(left_camera, scene.image, stamp)
        assert face.label == scene.label
        assert right.faces_of(right_camera, blank, stamp) == []
    assert len(left.answers) == len(right.answers) == 3
    assert {each.image_width for each in left.answers} == {640}
    assert {each.image_width for each in right.answers} == {320}
    assert left.status(lambda each: True, "of the left").values["topic"] == "/left/image"
    assert right.status(lambda each: True, "of the right").values["topic"] == "/right/image"
