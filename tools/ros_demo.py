"""femo on ROS 2 in three processes: one plays a clip as a camera, one recognises, and this one records its results.

. .venv/ros/env.sh && python tools/ros_demo.py CLIP ANNOTATED_CLIP LOG BAG

The annotated images become a clip, the messages a log with a line of JSON for each image, and both of them together
with the camera's images and the diagnostics a bag in MCAP, which `ros2 bag play` plays and Foxglove opens.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

# Before rclpy is imported, and inherited by the other two: a robot that is running nearby is left alone.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randrange(1, 100))

import numpy as np
import rclpy
import tyro
from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from femo_msgs.msg import FaceEmotionArray, ModelInfo
from femo_ros.camera_topic import LATCHED
from femo_ros.images import decode_image
from rclpy.node import Node
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CompressedImage, Image

from femo_jax.errors import FemoError
from femo_jax.files import replacing
from femo_jax.live.output.video import VideoWriter

START_SECONDS = 60.0
"""How long the recogniser may take to load its model, which may have to be compiled."""

QUIET_SECONDS = 1.0
"""After the end of the clip, so long without a message means that all have come."""


FACES, IMAGE, MODEL = (f"/emotion_recognizer/{name}" for name in ("faces", "image_annotated", "model_info"))

CAMERA = "/camera/image_raw/compressed"

RECORDED = {
    CAMERA: CompressedImage,
    f"{IMAGE}/compressed": CompressedImage,
    FACES: FaceEmotionArray,
    MODEL: ModelInfo,
    "/diagnostics": DiagnosticArray,
}
"""Topics of the bag; images are JPEG, which take a twentieth of the space."""

BAG_VERSION = 8
"""Of metadata.yaml: that of Jazzy, which later distributions read as well."""


class Bag:
    """Writes messages as they come from DDS into a bag."""

    def __init__(self, writer: Writer) -> None:
        """Adds the topics, with the definitions of their messages, so that readers need no installed femo_msgs."""
        types = get_typestore(Stores.ROS2_JAZZY)
        for path in sorted(Path(get_package_share_directory("femo_msgs"), "msg").glob("*.msg")):
            types.register(get_types_from_msg(path.read_text("utf-8"), f"femo_msgs/msg/{path.stem}"))
        self._writer = writer
        self._connections = {}
        for topic, message_type in RECORDED.items():
            name = f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"
            qos = [_offered(latched=topic == MODEL)]
            self._connections[topic] = writer.add_connection(topic, name, typestore=types, offered_qos_profiles=qos)
        self.messages = 0

    def write(self, topic: str, serialized: bytes) -> None:
        """Adds a message that came just now."""
        self._writer.write(self._connections[topic], time.time_ns(), serialized)
        self.messages += 1


@contextmanager
def new_bag(path: Path) -> Iterator[Bag]:
    """A bag that stands in its place once the block has ended without an error."""
    if path.exists():
        raise FemoError(f"{path} exists already; expected the name of a new bag. Remove it, or choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bag-", dir=path.parent) as beside:
        whole = Path(beside) / path.name  # the name of the file in a bag is made of that of the bag
        with Writer(whole, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
            yield Bag(writer)
        whole.rename(path)


def _offered(latched: bool) -> Qos:
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    unlimited = QosTime(0, 0)
    reliable = QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, durability
    return Qos(*reliable, unlimited, unlimited, QosLiveliness.AUTOMATIC, unlimited, False)


class Recorder(Node):
    """Writes what the recogniser publishes."""

    def __init__(self, video: VideoWriter, log: TextIO, bag: Bag) -> None:
        """Subscribes."""
        super().__init__("recorder")
        self.ready = False
        self.images = self.messages = 0
        self.last = time.monotonic()
        self._video = video
        self._log = log
        self.create_subscription(ModelInfo, MODEL, self._take_model, LATCHED)
        self.create_subscription(FaceEmotionArray, FACES, self._write_faces, 100)
        self.create_subscription(Image, IMAGE, self._write_image, 100)
        self._bag = bag
        for topic in RECORDED.keys() - {CAMERA}:
            self._record(topic)

    def _record(self, topic: str) -> None:
        qos = LATCHED if topic == MODEL else 100
        self.create_subscription(RECORDED[topic], topic, partial(self._bag.write, topic), qos, raw=True)

    def _take_model(self, _message: ModelInfo) -> None:
        self.ready = True
        self._record(CAMERA)  # which plays from its first subscriber on: the recogniser subscribes now as well

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


def main(clip: Path, annotated: Path, log: Path, bag: Path, /) -> None:
    """Plays CLIP to the recogniser and records.

    Args:
      clip: What the camera is to see.
      annotated: Clip of the annotated images.
      log: A line of JSON for each message.
      bag: Folder of the bag.
    """
    rclpy.init()
    with (
        new_bag(bag) as recording,
        replacing(log) as beside,
        beside.open("w", encoding="utf-8") as lines,
        VideoWriter(annotated, 25.0) as video,
    ):
        recorder = Recorder(video, lines, recording)
        played = ("-p", f"source:={clip}", "-p", "wait:=true", "-p", "compressed:=true")
        topics = ("-r", "image_raw:=/camera/image_raw", "-r", f"image_raw/compressed:={CAMERA}")
        source = _start("video_source", *topics, *played)
        recognizer = _start("emotion_recognizer", "-r", "image:=/camera/image_raw")
        try:
            _spin(recorder, lambda: recorder.ready, (source, recognizer), START_SECONDS)
            while source.poll() is None or time.monotonic() - recorder.last < QUIET_SECONDS:
                rclpy.spin_once(recorder, timeout_sec=0.1)
        finally:
            codes = [_end(process) for process in (source, recognizer)]
        if not recorder.messages or any(codes):
            raise FemoError(f"{recorder.messages} messages came, and the nodes ended with the codes {codes}.")
    print(f"{recorder.messages} messages and {recorder.images} annotated images over DDS, from {clip}")
    print(f"{recording.messages} messages recorded")
    print(f"Written: {annotated}\nWritten: {log}\nWritten: {bag}")


def _start(executable: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", f"femo_ros.{executable}", "--ros-args", *arguments])


def _spin(node: Node, until: Callable[[], bool], needed: Sequence[subprocess.Popen], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        rclpy.spin_once(node, timeout_sec=0.1)
        if any(each.poll() is not None for each in needed) or time.monotonic() > deadline:
            raise FemoError("a node did not start; its output is above.")


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
