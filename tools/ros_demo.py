"""femo on ROS 2 in three processes: one plays a clip as a camera, one recognises, and this one records its results.

. .venv/ros/env.sh && python tools/ros_demo.py CLIP ANNOTATED_CLIP LOG

The annotated images become a clip, and the messages a log with a line of JSON for each image.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

# Before rclpy is imported, and inherited by the other two: a robot that is running nearby is left alone.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randrange(1, 100))

import numpy as np
import rclpy
import tyro
from femo_msgs.msg import FaceEmotionArray, ModelInfo
from femo_ros.images import decode_image
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from femo_jax.errors import FemoError
from femo_jax.files import replacing
from femo_jax.live.output.video import VideoWriter

START_SECONDS = 60.0
"""How long the recogniser may take to load its model, which may have to be compiled."""

QUIET_SECONDS = 1.0
"""After the end of the clip, so long without a message means that all have come."""


class Recorder(Node):
    """Writes what the recogniser publishes."""

    def __init__(self, video: VideoWriter, log: TextIO) -> None:
        """Subscribes."""
        super().__init__("recorder")
        self.model: ModelInfo | None = None
        self.images = self.messages = 0
        self.last = time.monotonic()
        self._video = video
        self._log = log
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ModelInfo, "/emotion_recognizer/model_info", self._take_model, latched)
        self.create_subscription(FaceEmotionArray, "/emotion_recognizer/faces", self._write_faces, 100)
        self.create_subscription(Image, "/emotion_recognizer/image_annotated", self._write_image, 100)

    def _take_model(self, message: ModelInfo) -> None:
        self.model = message

    def _write_faces(self, message: FaceEmotionArray) -> None:
        self.last = time.monotonic()
        self.messages += 1
        faces = [
            {
                "id": face.track_id,
                "box": [face.roi.x_offset, face.roi.y_offset, face.roi.width, face.roi.height],
                "label": face.label,
                "confidence": face.confidence,
                "uncertain": face.uncertain,
                "probabilities": np.asarray(face.probabilities).tolist(),
            }
            for face in message.faces
        ]
        print(json.dumps({"stamp": _seconds(message), "faces": faces}, allow_nan=False), file=self._log)

    def _write_image(self, message: Image) -> None:
        self.last = time.monotonic()
        self.images += 1
        image = decode_image(
            message.encoding, message.height, message.width, message.step, bool(message.is_bigendian), message.data
        )
        self._video.write(image, _seconds(message))


def _seconds(message: Image | FaceEmotionArray) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def main(clip: Path, annotated: Path, log: Path, /) -> None:
    """Plays CLIP to the recogniser and records.

    Args:
      clip: What the camera is to see.
      annotated: Clip of the annotated images.
      log: A line of JSON for each message.
    """
    rclpy.init()
    with replacing(log) as beside, beside.open("w", encoding="utf-8") as lines, VideoWriter(annotated, 25.0) as video:
        recorder = Recorder(video, lines)
        recognizer = _start("emotion_recognizer", "-r", "image:=/camera/image_raw")
        source = None
        try:
            _spin(recorder, lambda: recorder.model is not None, recognizer, START_SECONDS)
            played = ("-p", f"source:={clip}", "-p", "wait:=true")
            source = _start("video_source", "-r", "image_raw:=/camera/image_raw", *played)
            while source.poll() is None or time.monotonic() - recorder.last < QUIET_SECONDS:
                rclpy.spin_once(recorder, timeout_sec=0.1)
        finally:
            codes = [_end(process) for process in (source, recognizer) if process is not None]
        if not recorder.messages or any(codes):
            raise FemoError(f"{recorder.messages} messages came, and the nodes ended with the codes {codes}.")
    print(f"{recorder.messages} messages and {recorder.images} annotated images over DDS, from {clip}")
    print(f"Written: {annotated}\nWritten: {log}")


def _start(executable: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", f"femo_ros.{executable}", "--ros-args", *arguments])


def _spin(node: Node, until: Callable[[], bool], needed: subprocess.Popen, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        rclpy.spin_once(node, timeout_sec=0.1)
        if needed.poll() is not None or time.monotonic() > deadline:
            raise FemoError("the recogniser did not start; its output is above.")


def _end(process: subprocess.Popen) -> int:
    """Ends a node as Ctrl-C does; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.wait(timeout=20)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except FemoError as error:
        sys.exit(str(error))
