"""Several cameras on one node."""

import pytest

from .conftest import Recognizer

FRONT, REAR = "/emotion_recognizer/front", "/emotion_recognizer/rear"


@pytest.fixture
def two_cameras(start_recognizer, quick, new_camera):
    """The node with the cameras front and rear: what it answers to each, and the cameras."""
    node = start_recognizer({**quick, "cameras": ["front", "rear"]})
    views = [Recognizer(node.process, node.client, name) for name in (FRONT, REAR)]
    return node, *views, new_camera("/front/image"), new_camera("/rear/image")


def test_each_camera_has_its_topics_and_ids_are_unique(two_cameras, scene):
    node, front, rear, front_camera, rear_camera = two_cameras
    (seen_in_front,) = front.faces_of(front_camera, scene.image, (10, 1))
    (seen_behind,) = rear.faces_of(rear_camera, scene.image[:, ::-1], (20, 2))
    assert sorted([seen_in_front.track_id, seen_behind.track_id]) == [1, 2]
    assert abs(seen_in_front.roi.x_offset - scene.box[0]) < 30
    assert abs(seen_behind.roi.x_offset - (640 - scene.box[0] - scene.box[2])) < 30
    assert [each.header.stamp.sec for each in front.answers] == [10]
    assert [each.header.stamp.sec for each in rear.answers] == [20]
    (again,) = front.faces_of(front_camera, scene.image, (10, 40_000_000))
    assert again.track_id == seen_in_front.track_id
    topics = {name for name, _ in node.client.node.get_topic_names_and_types()}
    assert {
        f"{name}/{topic}" for name in (FRONT, REAR) for topic in ("faces", "image_annotated", "face_poses")
    } <= topics
    assert not {"/image", "/emotion_recognizer/image_annotated", "/humans/faces/tracked"} & topics
    assert "/emotion_recognizer/model_info" in topics


def test_images_that_come_together_are_all_answered(two_cameras, scene):
    _, front, rear, front_camera, rear_camera = two_cameras
    front.faces_of(front_camera, scene.image, (10, 0))
    rear.faces_of(rear_camera, scene.image, (10, 0))
    for second in range(11, 16):
        stamps = [camera.show(scene.image, (second, 0)) for camera in (front_camera, rear_camera)]
        for view, stamp in zip((front, rear), stamps, strict=True):
            assert len(view.answer(stamp).faces) == 1


def test_a_camera_that_stalls_is_reported_under_its_name_and_the_other_goes_on(two_cameras, scene):
    node, front, _, front_camera, _ = two_cameras
    front.faces_of(front_camera, scene.image)

    def statuses():
        found = {}
        for array in node._diagnostics:
            found.update({status.name: status for status in array.status})
        return found

    def reported():
        front.faces_of(front_camera, scene.image)
        node.client.spin_for(0.05)
        levels = {name.rpartition(", ")[2]: status.level for name, status in statuses().items()}
        return levels == {"front": b"\x00", "rear": b"\x02"}

    node.client.spin_until(reported, "OK of front and ERROR of rear")
    messages = {name: status.message for name, status in statuses().items()}
    assert set(messages) == {f"emotion_recognizer: emotion recognition, {name}" for name in ("front", "rear")}
    assert "no image yet" in messages["emotion_recognizer: emotion recognition, rear"]
    assert "on /rear/image" in messages["emotion_recognizer: emotion recognition, rear"]


def test_topics_are_remapped_each_for_itself(start_recognizer, quick, new_camera, scene):
    remappings = {"front/image": "/left/camera", "rear/image": "/right/camera"}
    node = start_recognizer({**quick, "cameras": ["front", "rear"]}, remappings=remappings)
    for name, topic in ((FRONT, "/left/camera"), (REAR, "/right/camera")):
        view = Recognizer(node.process, node.client, name)
        assert len(view.faces_of(new_camera(topic), scene.image)) == 1


def test_compressed_images_are_beside_the_raw_ones(start_recognizer, quick, new_camera, scene):
    node = start_recognizer({**quick, "cameras": ["front", "rear"], "image_transport": "compressed"})
    camera = new_camera("/rear/image/compressed", compressed=True)
    rear = Recognizer(node.process, node.client, REAR)
    assert len(rear.answer(camera.send(camera.compressed(scene.image))).faces) == 1


def test_no_camera_is_an_empty_name(start_recognizer, start_node, quick, camera, scene):
    node = start_recognizer({**quick, "cameras": [""]})
    assert len(node.faces_of(camera, scene.image)) == 1
    process = start_node("emotion_recognizer", {**quick, "cameras": []})
    process.wait_for_log(r"a parameter has no value: .*no cameras are \[''\]")
    assert process.wait() == 1


def test_cameras_that_make_no_sense_end_the_start(start_node, quick):
    for cameras, words in (
        (["front", "front"], "'front' twice"),
        (["a/b"], "can be no part of a topic"),
        ("front", "a list"),
    ):
        process = start_node("emotion_recognizer", {**quick, "cameras": cameras})
        process.wait_for_log(words)
        assert process.wait() == 1


def test_cameras_are_chosen_while_the_node_is_unconfigured(waiting, new_camera, scene):
    assert waiting.set(cameras=["front"]) == []
    assert waiting.change_state("configure")
    (reason,) = waiting.set(cameras=["rear"])
    assert "cameras changes only while the node is unconfigured" in reason
    assert waiting.change_state("activate")
    front = Recognizer(waiting.process, waiting.client, FRONT)
    assert len(front.faces_of(new_camera("/front/image"), scene.image)) == 1
    assert waiting.change_state("deactivate") and waiting.change_state("cleanup")
    assert waiting.set(cameras=[""]) == []
    assert waiting.change_state("configure") and waiting.change_state("activate")
    assert len(waiting.faces_of(new_camera("/image"), scene.image)) == 1
