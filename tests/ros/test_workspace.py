"""The built workspace: what is installed runs, and `colcon test` runs the packages' tests."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from femo_msgs.msg import FaceEmotion, FaceEmotionArray, ModelInfo
from sensor_msgs.msg import Image

from femo_jax.emotions import Emotion

WORKSPACE = Path(__file__).parents[2] / "ros2_ws"
BUILT = Path(sys.prefix) / "ros"


def test_codes_of_the_message_are_those_of_femo():
    """The generated class, not only its definition."""
    assert {emotion.name: getattr(FaceEmotion, emotion.name) for emotion in Emotion} == {
        emotion.name: emotion.value for emotion in Emotion
    }


def test_messages_arrive_as_they_were_sent(client, new_client):
    """All fields of all three, through the middleware."""
    other = new_client("other")
    face = FaceEmotion(
        track_id=4_000_000_000,
        emotion=FaceEmotion.SAD,
        label="sad",
        confidence=0.5,
        probabilities=np.array([0, 0.125, 0, 0.25, 0.125, 0.5, 0], np.float32),
        uncertain=True,
        age=1.5,
    )
    face.roi.x_offset, face.roi.y_offset, face.roi.width, face.roi.height = 1, 2, 30, 40
    array = FaceEmotionArray(image_width=640, image_height=480, faces=[face, FaceEmotion()])
    array.header.frame_id = "eye"
    info = ModelInfo(name="femonet", version="1", class_names=["a", "b"], input_size=48, accuracy=0.625)
    for message in (array, info):
        topic = f"/{type(message).__name__}"
        received = client.collect(type(message), topic)
        other.publisher(type(message), topic).publish(message)
        client.spin_until(lambda received=received: received, type(message).__name__)
        assert received == [message]


@pytest.mark.parametrize("path", ["launch/femo.launch.py", "launch/femo.launch.xml", "config/femo.yaml", "package.xml"])
def test_files_are_installed(path):
    """Where `ros2 launch` and the pages look for them."""
    assert Path(get_package_share_directory("femo_ros"), path).stat().st_size > 500


def test_the_installed_executable_runs(start_process, client, tmp_path):
    """As `ros2 run` starts it, by the Python of the environment."""
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((48, 64, 3), np.uint8))
    executable = Path(get_package_prefix("femo_ros"), "lib", "femo_ros", "video_source")
    assert executable.read_text().startswith("#!/usr/bin/env python3\n")
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    source = f"source:={tmp_path / 'image.png'}"
    node = start_process([executable, "--ros-args", "-p", source, "-p", "loop:=true"], environment)
    images = client.collect(Image, "/image_raw")
    client.spin_until(lambda: images, "an image")
    assert node.stop(signal.SIGTERM) == 0


def test_a_python_without_femo_says_what_to_do(start_process):
    """And not that some module was not found."""
    without_site_packages = "import sys; sys.path.remove(''); from femo_ros.video_source import main; main()"
    environment = {"PYTHONPATH": str(WORKSPACE / "src" / "femo_ros")}
    node = start_process([sys.executable, "-S", "-c", without_site_packages], environment)
    assert node.wait() == 1
    assert "virtual environment" in node.log
    assert "Traceback" not in node.log


@pytest.mark.integration
@pytest.mark.skipif(not (BUILT / "build").is_dir(), reason="the workspace was not built by `make ros`")
def test_colcon_test_runs_the_tests_and_passes(tmp_path):
    """Of all packages: hundreds of them, not none."""
    environment = {**os.environ, "COLCON_LOG_LEVEL": "error"}
    environment.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)
    colcon = [sys.executable, "-m", "colcon", "--log-base", str(tmp_path / "log")]
    test = [*colcon, "test", "--base-paths", str(WORKSPACE / "src"), "--build-base", str(BUILT / "build")]
    test += ["--install-base", str(BUILT / "install"), "--return-code-on-test-failure"]
    tested = subprocess.run(test, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    results = [*colcon, "test-result", "--all", "--test-result-base", str(BUILT / "build")]
    summary = subprocess.run(results, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    by_package = {
        name: re.findall(rf"{name}/.*xml: (\d+) tests?, 0 errors, 0 failures", summary)
        for name in ("femo_msgs", "femo_recognition", "femo_ros")
    }
    assert sum(map(int, by_package["femo_recognition"])) >= 4, summary
    assert sum(map(int, by_package["femo_msgs"])) >= 8, summary
    assert sum(map(int, by_package["femo_ros"])) >= 150, summary
