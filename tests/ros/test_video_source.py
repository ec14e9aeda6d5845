"""video_source: clips, images and folders as a camera's topic."""

import signal
import sys
import time

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from femo_ros.images import decode_compressed, decode_image
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

FRAMES = 40
STEP = 6


def grey_of(index):
    """The grey value that identifies a frame of the clip."""
    return 10 + STEP * index


@pytest.fixture
def clip(tmp_path):
    """A clip of 40 plain frames, 64x48, 10 a second: it lasts longer than discovery."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for index in range(FRAMES):
        writer.write(np.full((48, 64, 3), grey_of(index), np.uint8))
    writer.release()
    return path


@pytest.fixture
def image_file(tmp_path):
    """An image whose left half is blue and whose right half is red."""
    path = tmp_path / "image.png"
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32, 0] = 200
    image[:, 32:, 2] = 150
    cv2.imwrite(str(path), image)
    return path


def pixels(message):
    """The array of an Image message."""
    return decode_image(message.encoding, message.height, message.width, message.step, False, message.data)


def index_of(message):
    """Which frame of the clip it shows."""
    return round((pixels(message).mean() - 10) / STEP)


def seconds(stamp):
    """A stamp as a number."""
    return stamp.sec + stamp.nanosec * 1e-9


def test_a_clip_is_played_once_and_ends_with_code_0(start_node, client, clip):
    """In order, at its own rate, with the stamps of the moments and the frame_id that was asked for."""
    images = client.collect(Image, "/image_raw", 50)
    node = start_node("video_source", {"source": clip, "frame_id": "eye"})
    client.spin_until(lambda: images and index_of(images[-1]) == FRAMES - 1, "the last frame")
    assert node.wait() == 0
    assert f"End of {clip}" in node.log

    # What was played before discovery is not seen, as of a camera.
    order = [index_of(message) for message in images]
    assert order == list(range(order[0], FRAMES))
    stamps = [seconds(message.header.stamp) for message in images]
    assert np.diff(stamps) == pytest.approx(0.1, abs=0.06)
    assert abs(stamps[-1] - time.time()) < 30
    assert images[0].header.frame_id == "eye"
    assert (images[0].encoding, images[0].height, images[0].width, images[0].step) == ("bgr8", 48, 64, 192)


def test_a_clip_waits_for_its_first_subscriber(start_node, client, clip):
    """Who comes late sees it from its first frame on, and nothing is played before."""
    node = start_node("video_source", {"source": clip, "wait": True, "rate": 40.0})
    client.spin_until(lambda: client.node.count_publishers("/image_raw"), "the publisher")
    client.spin_for(FRAMES / 40.0)
    assert "Playing" not in node.log
    images = client.collect(Image, "/image_raw", 50)
    client.spin_until(lambda: images and index_of(images[-1]) == FRAMES - 1, "the last frame")
    assert [index_of(message) for message in images] == list(range(FRAMES))
    assert node.wait() == 0


def test_a_looped_clip_begins_again(start_node, client, clip):
    """At the rate that was asked for."""
    start_node("video_source", {"source": clip, "loop": True, "rate": 50.0})
    images = client.collect(Image, "/image_raw", 50)
    client.spin_until(lambda: len(images) > 2 * FRAMES, "two rounds")
    steps = np.diff([index_of(message) for message in images])
    assert (steps < 0).sum() >= 1
    # A machine with other work may make the client miss an image or two.
    assert np.median(steps % FRAMES) == 1
    assert (steps % FRAMES).max() < FRAMES / 2
    stamps = [seconds(message.header.stamp) for message in images]
    assert np.median(np.diff(stamps)) == pytest.approx(1 / 50, rel=0.3)


def test_an_image_is_shown_again_and_again(start_node, client, image_file):
    """Its colours are those of the file, its stamps grow."""
    start_node("video_source", {"source": image_file, "loop": True, "rate": 60.0})
    images = client.collect(Image, "/image_raw")
    client.spin_until(lambda: len(images) > 20, "images")
    assert (pixels(images[-1]) == cv2.imread(str(image_file))).all()
    stamps = [seconds(message.header.stamp) for message in images]
    assert (np.diff(stamps) > 0).all()


def test_a_folder_is_played_in_order(start_node, client, tmp_path):
    """As the frames of a clip."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((48, 64, 3), grey_of(index), np.uint8))
    start_node("video_source", {"source": folder, "loop": True, "rate": 10.0})
    images = client.collect(Image, "/image_raw")
    client.spin_until(lambda: len(images) >= 9, "three rounds")
    order = np.array([index_of(message) for message in images])
    assert set(np.diff(order) % 3) == {1}


def test_compressed_and_camera_info(start_node, client, image_file):
    """The same image as JPEG, and its size, under headers of their own."""
    start_node("video_source", {"source": image_file, "loop": True, "compressed": True, "camera_info": True})
    jpegs = client.collect(CompressedImage, "/image_raw/compressed")
    infos = client.collect(CameraInfo, "/camera_info")
    client.spin_until(lambda: jpegs and infos, "both")
    assert jpegs[0].format == "bgr8; jpeg compressed bgr8"
    assert jpegs[0].header.frame_id == infos[0].header.frame_id == "camera"
    decoded = decode_compressed(jpegs[0].data)
    assert np.abs(decoded[:, 4:28].astype(int) - (200, 0, 0)).max() < 20
    assert np.abs(decoded[:, 36:60].astype(int) - (0, 0, 150)).max() < 20
    assert (infos[0].width, infos[0].height) == (64, 48)
    assert infos[0].k[0] == 0.0, "0 says that the camera is not calibrated"


def test_images_are_scaled_to_the_size_asked_for(start_node, client, image_file):
    """With what else is published about it."""
    parameters = {"source": image_file, "loop": True, "width": 100, "height": 30, "camera_info": True}
    start_node("video_source", parameters)
    images = client.collect(Image, "/image_raw")
    infos = client.collect(CameraInfo, "/camera_info")
    client.spin_until(lambda: images and infos, "images and their size")
    assert pixels(images[0]).shape == (30, 100, 3)
    assert (infos[0].width, infos[0].height) == (100, 30)


def test_best_effort_by_parameter(start_node, client, image_file):
    """The offer can be seen, and a subscriber that wants no more gets it."""
    start_node("video_source", {"source": image_file, "loop": True, "qos": "sensor_data"})
    images = client.collect(Image, "/image_raw", qos_profile_sensor_data)
    client.spin_until(lambda: images, "an image")
    (publisher,) = client.spin_until(lambda: client.node.get_publishers_info_by_topic("/image_raw"), "a publisher")
    assert publisher.qos_profile.reliability == qos_profile_sensor_data.reliability


def test_topics_follow_namespace_and_remapping(start_node, client, image_file):
    """As those of every node."""
    start_node("video_source", {"source": image_file, "loop": True}, namespace="/left", remappings={"image_raw": "eye"})
    images = client.collect(Image, "/left/eye")
    client.spin_until(lambda: images, "an image")


def test_stamps_are_of_the_simulated_clock(start_node, client, image_file):
    """With use_sim_time."""
    start_node("video_source", {"source": image_file, "loop": True, "use_sim_time": True})
    images = client.collect(Image, "/image_raw")
    clock = client.publisher(Clock, "/clock")

    def shown():
        clock.publish(Clock(clock=Time(sec=5000)))
        return images and images[-1].header.stamp.sec == 5000

    client.spin_until(shown, "the simulated time")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_code_0(start_node, image_file, number):
    """Without a traceback, also when they come twice."""
    node = start_node("video_source", {"source": image_file, "loop": True})
    node.wait_for_log("Playing")
    node.send_signal(number)
    assert node.stop(number) == 0
    assert "Traceback" not in node.log


def test_a_signal_ends_it_while_it_reads_a_clip(start_node, tmp_path):
    """Frames that take long to decode, one after the other: the signal comes in the midst of one."""
    clip = tmp_path / "large.avi"
    frames = np.random.default_rng(0).integers(0, 256, (4, 720, 1280, 3), np.uint8)
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (1280, 720))
    for frame in frames:
        writer.write(frame)
    writer.release()
    for _ in range(3):
        node = start_node("video_source", {"source": clip, "loop": True, "rate": 1000.0})
        node.wait_for_log("Playing")
        assert node.stop(signal.SIGINT) == 0, node.log


def test_a_signal_while_it_starts_ends_it_with_code_0(start_node_from_scratch, image_file):
    """Whatever it is just about to do."""
    node = start_node_from_scratch("video_source", {"source": image_file, "loop": True}, {"PYTHONVERBOSE": "1"})
    node.wait_for_log("import 'rclpy'")
    assert node.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"source": "/nowhere/clip.mp4"}, "/nowhere/clip.mp4.*no such file"),
        ({"source": ""}, "no such file"),
        ({"source": "/nowhere", "qos": "good"}, "qos is 'good'; expected one of reliable, sensor_data"),
        ({"width": 640}, "width is 640 and height 0"),
        ({"rate": -1.0}, "rate"),
        ({"source": 0}, "source"),
    ],
)
def test_what_cannot_be_played_is_reported(start_node, parameters, expected):
    """In one line, with code 1."""
    node = start_node("video_source", parameters)
    assert node.wait() == 1
    node.wait_for_log(rf"\[FATAL\].*{expected}")
    assert "Traceback" not in node.log


def test_a_clip_without_the_package_that_reads_it_is_reported(start_node_from_scratch, clip):
    """As on a robot without pip."""
    node = start_node_from_scratch("video_source", {"source": clip}, setup="import sys; sys.modules['av'] = None")
    assert node.wait() == 1
    assert f"this needs the Python package av, which {sys.executable} lacks: install it by pip" in node.log
    assert "Traceback" not in node.log


def test_a_source_that_vanishes_while_it_loops_is_reported(start_node, clip):
    """It does not play on as if nothing had happened."""
    node = start_node("video_source", {"source": clip, "loop": True, "rate": 40.0})
    node.wait_for_log("Playing")
    clip.unlink()
    assert node.wait() == 1
    node.wait_for_log(r"\[FATAL\].*no such file")


def test_warnings_of_femo_are_lines_of_the_node(start_node, client, tmp_path):
    """Here: an image of the folder is damaged, and left out."""
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"no image")
    node = start_node("video_source", {"source": str(tmp_path / "*.png")})
    assert node.wait() == 0
    node.wait_for_log(r"\[WARN\].*\[video_source\]:.*2\.png")


def test_every_parameter_is_described_and_counts_at_the_start_only(start_node, client, image_file):
    """A change is refused."""
    start_node("video_source", {"source": image_file, "loop": True})
    names = client.call(ListParameters, "/video_source/list_parameters").result.names
    own = sorted(set(names) - {"use_sim_time", "start_type_description_service"})
    assert len(own) == 11
    described = client.call(
        DescribeParameters, "/video_source/describe_parameters", DescribeParameters.Request(names=own)
    )
    for descriptor in described.descriptors:
        assert len(descriptor.description) > 20, descriptor.name
        assert descriptor.read_only, descriptor.name

    request = SetParameters.Request(parameters=[Parameter("rate", value=5.0).to_parameter_msg()])
    (result,) = client.call(SetParameters, "/video_source/set_parameters", request).results
    assert not result.successful
    values = client.call(GetParameters, "/video_source/get_parameters", GetParameters.Request(names=["rate"])).values
    assert values[0].double_value == 0.0
