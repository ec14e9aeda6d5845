"""Positions of faces, from a calibrated camera and a depth image beside it."""

import array
import re

import cv2
import numpy as np
import pytest

FX, FACE_WIDTH = 580.0, 0.15


def depth_image(metres, stamp):
    """A depth image of one distance, half as large as the scene, of this stamp."""
    from sensor_msgs.msg import Image

    data = np.full((240, 320), round(1000 * metres), np.uint16).tobytes()
    image = Image(encoding="16UC1", height=240, width=320, step=640, data=array.array("B", data))
    image.header.stamp.sec, image.header.stamp.nanosec = stamp
    return image


def compressed_depth(metres, stamp):
    """The same as image_transport compresses it."""
    from sensor_msgs.msg import CompressedImage

    png = cv2.imencode(".png", np.full((240, 320), round(1000 * metres), np.uint16))[1].tobytes()
    image = CompressedImage(format="16UC1; compressedDepth png", data=array.array("B", bytes(12) + png))
    image.header.stamp.sec, image.header.stamp.nanosec = stamp
    return image


def camera_info(k=FX, width=640):
    """The calibration of the scene's camera."""
    from sensor_msgs.msg import CameraInfo

    matrix = [k, 0.0, 320.0, 0.0, k, 240.0, 0.0, 0.0, 1.0]
    return CameraInfo(height=480, width=width, distortion_model="plumb_bob", d=[0.0] * 5, k=matrix)


@pytest.mark.parametrize("transport", ["raw", "compressedDepth"])
def test_a_face_has_its_place_from_its_width_and_from_depth_where_there_is_some(
    start_recognizer, quick, new_camera, client, scene, transport
):
    from geometry_msgs.msg import PoseArray
    from sensor_msgs.msg import CameraInfo

    images = {"image": "/rgb/image_raw", "depth": "/aligned_depth"}
    recognizer = start_recognizer(
        {**quick, "track.box_cutoff_hz": 1000.0, "depth_transport": transport}, remappings=images
    )
    camera = new_camera("/rgb/image_raw")
    topic = f"{recognizer.node}/face_poses"
    (face,) = client.spin_until(lambda: recognizer.faces_of(camera, scene.image), "a face")
    assert client.node.count_subscribers("/rgb/camera_info") == 0, "nobody has asked for poses"

    poses = client.collect(PoseArray, topic)
    calibrate = client.publisher(CameraInfo, "/rgb/camera_info")
    make_depth, depth_topic = {
        "raw": (depth_image, "/aligned_depth"),
        "compressedDepth": (compressed_depth, "/aligned_depth/compressedDepth"),
    }[transport]
    measure = client.publisher(type(make_depth(1.0, (0, 0))), depth_topic)
    seconds = iter(range(300, 2000))

    def shown(depth=None, offset=0.0):
        """The place of the face in an image, with a depth image whose stamp is so many seconds later."""
        second = next(seconds)
        if depth is not None:  # first, so that it is there when the faces are, also on a busy machine
            measure.publish(make_depth(depth, (second, round(offset * 1e9))))
        camera.show(scene.image, (second, 0))
        message = client.spin_until(lambda: next((each for each in poses if each.header.stamp.sec == second), None))
        assert message.header.frame_id == "camera_optical_frame"
        (pose,) = message.poses
        assert pose.orientation.w == 1
        return pose.position

    def logs(said, **calibration):
        """Whether the node says so of a calibration; it may subscribe to that only after the first one."""
        calibrate.publish(camera_info(**calibration))
        camera.show(scene.image)
        client.spin_for(0.03)
        return said in recognizer.process.log

    uncalibrated = "no face poses: the camera is not calibrated"
    client.spin_until(lambda: logs(uncalibrated, k=0.0), uncalibrated)
    other_size = "/rgb/camera_info is about images of 1280x480 pixels, but these have 640x480"
    client.spin_until(lambda: logs(other_size, width=1280), other_size)
    assert poses == []

    calibrate.publish(camera_info())
    x, y, w, h = face.roi.x_offset, face.roi.y_offset, face.roi.width, face.roi.height

    def placed():
        camera.show(scene.image)
        client.spin_for(0.03)
        return poses

    client.spin_until(placed, "the first poses")
    by_width = FX * FACE_WIDTH / w
    across, down = (x + w / 2 - 320) / FX, (y + h / 2 - 240) / FX

    found = shown()
    assert found.z == pytest.approx(by_width, rel=0.02)
    assert (found.x, found.y) == pytest.approx((across * found.z, down * found.z), abs=0.005)
    # The node waits for depth images from the first one on, and subscribes again as their publisher offers it.
    # On a busy machine one may come after the fifth of a second for which it waits.
    client.spin_until(lambda: shown(depth=1.0).z == pytest.approx(1.0), "a depth image in time")
    found = client.spin_until(
        lambda: next((place for place in [shown(depth=1.25, offset=0.03)] if place.z == pytest.approx(1.25)), None),
        "a depth image in time, of a moment later",
    )
    assert (found.x, found.y) == pytest.approx((across * 1.25, down * 1.25), abs=0.01)
    assert shown(depth=1.25, offset=0.2).z == pytest.approx(by_width, rel=0.02), "of another time"
    assert shown(depth=0.0).z == pytest.approx(by_width, rel=0.02), "nothing but holes"
    assert shown().z == pytest.approx(by_width, rel=0.02), "the depth image is missing"

    assert recognizer.set(position__face_width=0.0) == []
    assert np.isnan(shown(depth=0.0).z)
    status = recognizer.status(lambda status: "1 unknown" in status.values["face poses"], "counts of the places")
    assert re.match(r"[1-9]\d* from depth, [1-9]\d* from face width, ", status.values["face poses"])
    assert recognizer.process.stop() == 0
    assert "Traceback" not in recognizer.process.log
