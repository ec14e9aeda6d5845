"""What `make demo` shows of ROS: a clip played, recognised and recorded, by three processes; with a bag of it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from skimage import data

from femo_jax.live.output.video import VideoWriter

OUTPUTS = ("ros.mp4", "ros.jsonl", "ros_bag")
SCRIPT = Path(__file__).parents[2] / "tools" / "ros_demo.py"


@pytest.mark.integration
def test_a_clip_becomes_annotated_images_and_messages(tmp_path):
    face = np.ascontiguousarray(data.astronaut()[:480, :, ::-1])
    with VideoWriter(tmp_path / "clip.mp4", 20) as clip:
        for _ in range(80):  # four seconds, of which discovery may take three
            clip.write(face)
    outputs = [str(tmp_path / name) for name in OUTPUTS]
    subprocess.run([sys.executable, SCRIPT, tmp_path / "clip.mp4", *outputs], check=True, timeout=120)
    records = [json.loads(line) for line in (tmp_path / "ros.jsonl").read_text().splitlines()]
    assert len(records) > 10
    assert [face["label"] for face in records[-1]["faces"]] == ["happy"]
    assert sorted(record["stamp"] for record in records) == [record["stamp"] for record in records]
    recorded = cv2.VideoCapture(outputs[0])
    assert recorded.get(cv2.CAP_PROP_FRAME_COUNT) > 10
    check_bag(Path(outputs[2]), records)


def check_bag(path, records):
    """What a reader finds that knows no more than the bag: definitions are in it."""
    with AnyReader([path]) as reader:
        counts = {name: info.msgcount for name, info in reader.topics.items()}
        faces = [
            reader.deserialize(data, connection.msgtype)
            for connection, _, data in reader.messages()
            if connection.topic == "/emotion_recognizer/faces"
        ]
        images = [
            reader.deserialize(data, connection.msgtype)
            for connection, _, data in reader.messages()
            if connection.topic == "/camera/image_raw/compressed"
        ]
    assert counts["/emotion_recognizer/faces"] == len(records)
    assert counts["/emotion_recognizer/model_info"] == 1
    assert counts["/diagnostics"] > 0
    assert counts["/emotion_recognizer/image_annotated/compressed"] > 10
    assert [face.label for face in faces[-1].faces] == ["happy"]
    stamps = {(image.header.stamp.sec, image.header.stamp.nanosec) for image in images}
    answered = [(message.header.stamp.sec, message.header.stamp.nanosec) in stamps for message in faces]
    assert np.mean(answered) > 0.8, "discovery may cost the first images"
    assert cv2.imdecode(images[0].data, cv2.IMREAD_COLOR).shape == (480, 512, 3)


def test_a_clip_that_is_not_there_is_told_and_leaves_nothing(tmp_path):
    outputs = [str(tmp_path / name) for name in OUTPUTS]
    result = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "none.mp4", *outputs], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 1
    assert "none.mp4" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_bag_is_not_written_over(tmp_path):
    (tmp_path / "ros_bag").mkdir()
    outputs = [str(tmp_path / name) for name in OUTPUTS]
    result = subprocess.run([sys.executable, SCRIPT, tmp_path / "clip.mp4", *outputs], capture_output=True, text=True)
    assert result.returncode == 1
    assert "ros_bag exists already; expected the name of a new bag" in result.stderr
