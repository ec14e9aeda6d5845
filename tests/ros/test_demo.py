"""What `make demo` shows of ROS: a clip played, recognised and recorded, by three processes."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from femo_jax.live.output.video import VideoWriter

SCRIPT = Path(__file__).parents[2] / "tools" / "ros_demo.py"


@pytest.mark.integration
def test_a_clip_becomes_annotated_images_and_messages(tmp_path):
    face = np.ascontiguousarray(data.astronaut()[:480, :, ::-1])
    with VideoWriter(tmp_path / "clip.mp4", 20) as clip:
        for _ in range(200):  # ten seconds, of which discovery may take three
            clip.write(face)
    outputs = [str(tmp_path / "ros.mp4"), str(tmp_path / "ros.jsonl")]
    subprocess.run([sys.executable, SCRIPT, tmp_path / "clip.mp4", *outputs], check=True, timeout=120)
    records = [json.loads(line) for line in (tmp_path / "ros.jsonl").read_text().splitlines()]
    assert len(records) > 10
    assert [face["label"] for face in records[-1]["faces"]] == ["happy"]
    assert sorted(record["stamp"] for record in records) == [record["stamp"] for record in records]
    recorded = cv2.VideoCapture(outputs[0])
    assert recorded.get(cv2.CAP_PROP_FRAME_COUNT) > 10


def test_a_clip_that_is_not_there_is_told_and_leaves_nothing(tmp_path):
    outputs = [str(tmp_path / "ros.mp4"), str(tmp_path / "ros.jsonl")]
    result = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "none.mp4", *outputs], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 1
    assert "none.mp4" in result.stderr
    assert not Path(outputs[1]).exists()
