"""emotion_recognizer under load, beside the floor: a node that only copies the image and answers with its header.

python benchmarks/ros.py [--seconds 60] [--images 20000] [--json F]

For a shell in which ROS 2 and the workspace are sourced. Camera, node and subscriber are three parts in two processes
that talk over DDS: this one publishes 640x480 images with one moving face and takes the answers. About eight minutes on
two cores; leave the machine alone meanwhile. With FASTRTPS_DEFAULT_PROFILES_FILE set, both processes use that profile.
"""

import array
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import tyro
from diagnostic_msgs.msg import DiagnosticArray
from femo_msgs.msg import FaceEmotionArray
from harness import ProcessorTime, machine
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CompressedImage, Image
from skimage import data
from std_msgs.msg import Header

from femo_jax.errors import FemoError
from femo_jax.files import write_json

WIDTH, HEIGHT = 640, 480
WARM_UP_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
MEMORY_SAMPLES = 20

FEMO = [sys.executable, "-m", "femo_ros.emotion_recognizer"]
FLOOR = [sys.executable, str(Path(__file__).with_name("ros_floor.py"))]
NODE = "/emotion_recognizer"


WATCHER = """
import sys

import rclpy
import sensor_msgs.msg

rclpy.init()
node = rclpy.create_node("watcher")
node.create_subscription(getattr(sensor_msgs.msg, sys.argv[1]), sys.argv[2], lambda _image: None, 1)
rclpy.spin(node)
"""


@dataclass(frozen=True)
class Options:
    """Measures emotion_recognizer at the rate of a camera, above it, with outputs watched, and over many images."""

    seconds: float = 60.0
    """How long the camera plays at 30 Hz; the other runs take a third of it. 0 leaves all of them out."""
    images: int = 20_000
    """How many images are answered, each before the next one comes, while memory is watched. 0 leaves this out."""
    json: Path | None = None
    """Write everything measured to this file."""


class Participant:
    """A node of the benchmark and all that arrives at it, in one thread."""

    def __init__(self, name: str) -> None:
        """Joins the domain of the environment."""
        rclpy.init(signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def spin(self, seconds: float) -> None:
        """Takes answers for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Takes answers until the condition holds; FemoError where it never does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise FemoError(f"not within {PATIENCE_SECONDS:g} s: {what}")
            self._executor.spin_once(timeout_sec=0.05)


class Camera(Participant):
    """Publishes a moving face and takes the answers."""

    def __init__(self) -> None:
        """Joins the domain of the environment."""
        super().__init__("camera")
        self._publisher = self.node.create_publisher(Image, "image", QoSProfile(depth=5))
        self._images = moving_face()
        self.arrivals: dict[tuple[int, int], int] = {}
        self.dropped = 0
        for message_type, topic in ((FaceEmotionArray, f"{NODE}/faces"), (Header, "/floor/headers")):
            self.node.create_subscription(message_type, topic, self._arrived, 1000)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)

    @property
    def heard(self) -> bool:
        """Whether a node listens to the images."""
        return self._publisher.get_subscription_count() > 0

    def _arrived(self, message: FaceEmotionArray | Header) -> None:
        header = getattr(message, "header", message)
        self.arrivals[header.stamp.sec, header.stamp.nanosec] = time.time_ns()

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for value in message.status[0].values:
            if value.key == "images dropped for newer ones":
                self.dropped = int(value.value)

    def publish(self, number: int) -> tuple[int, int]:
        """Publishes an image of the present time; gives its stamp."""
        now = time.time_ns()
        message = self._images[number % len(self._images)]
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        self._publisher.publish(message)
        return divmod(now, 10**9)

    def play(self, rate: float, seconds: float) -> list[tuple[int, int]]:
        """Publishes at a rate and waits for the last answers; gives the stamps."""
        stamps = []
        began = time.monotonic()
        for number in range(round(rate * seconds)):
            stamps.append(self.publish(number))
            self.spin(began + (number + 1) / rate - time.monotonic())
        self.spin(1.0)
        return stamps


def moving_face() -> list[Image]:
    """Two seconds of a head that moves to and fro, as messages."""
    head = cv2.resize(data.astronaut()[:220, 120:330, ::-1], None, fx=1.5, fy=1.5)
    images = []
    for step in range(60):
        left = 160 + round(60 * np.sin(2 * np.pi * step / 60))
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        image[: head.shape[0], left : left + head.shape[1]] = head
        message = Image(height=HEIGHT, width=WIDTH, step=3 * WIDTH, encoding="bgr8", data=array.array("B"))
        message.header.frame_id = "camera"
        message.data.frombytes(image.tobytes())
        images.append(message)
    return images


class Subject:
    """The process of a node."""

    def __init__(self, process: subprocess.Popen) -> None:
        """Watches it through /proc."""
        self._process = Path(f"/proc/{process.pid}")

    def processor_seconds(self) -> float:
        """Of all its threads so far."""
        fields = (self._process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """The memory that it occupies."""
        status = (self._process / "status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def running(command: list[str], camera: Camera) -> Iterator[Subject]:
    """A node that listens to the camera and is warm; it ends with the block."""
    process = subprocess.Popen(command)
    try:
        camera.wait_for(lambda: camera.heard, f"{' '.join(command)} listens")
        camera.play(30, WARM_UP_SECONDS)
        camera.wait_for(lambda: bool(camera.arrivals), "an answer")
        yield Subject(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    camera.wait_for(lambda: not camera.heard, "the node's end")


@contextmanager
def watched(camera: Camera, message_type: type | None, topic: str) -> Iterator[None]:
    """Somebody looks at an image of the node meanwhile; nobody where there is no type."""
    if message_type is None:
        yield
        return
    # In a process of its own: here, taking the image would delay the answers, and the delay would count as the node's.
    before = camera.node.count_subscribers(f"{NODE}/{topic}")
    watcher = subprocess.Popen([sys.executable, "-c", WATCHER, message_type.__name__, f"{NODE}/{topic}"])
    try:
        camera.wait_for(lambda: camera.node.count_subscribers(f"{NODE}/{topic}") > before, "the watcher")
        yield
    finally:
        watcher.kill()
        watcher.wait()


def measure_rate(camera: Camera, subject: Subject, rate: float, seconds: float) -> dict:
    """What becomes of the images of a camera."""
    camera.arrivals.clear()
    camera.spin(1.2)  # diagnostics come once a second
    dropped, used, own, began = camera.dropped, subject.processor_seconds(), time.process_time(), time.monotonic()
    machine = ProcessorTime()
    stamps = camera.play(rate, seconds)
    used, elapsed = subject.processor_seconds() - used, time.monotonic() - began
    others = machine.share_beside(used + time.process_time() - own)
    camera.spin(1.2)
    latencies = [
        camera.arrivals[sec, nanosec] / 1e6 - sec * 1e3 - nanosec / 1e6
        for sec, nanosec in stamps
        if (sec, nanosec) in camera.arrivals
    ]
    median, p95 = np.percentile(latencies, (50, 95))
    dropped = camera.dropped - dropped
    return {
        "rate_hz": rate,
        "sent": len(stamps),
        "answered": len(latencies),
        "dropped_for_newer": dropped,
        "lost": len(stamps) - len(latencies) - dropped,
        "cores": used / elapsed,
        "processor_ms_an_image": 1000 * used / len(latencies),
        "latency_ms": {"median": float(median), "p95": float(p95), "largest": max(latencies)},
        "others": others,
    }


def measure_memory(camera: Camera, subject: Subject, images: int) -> dict:
    """Resident memory while so many images are answered one after the other."""
    samples = []
    began = time.monotonic()
    for number in range(images):
        stamp = camera.publish(number)
        camera.wait_for(lambda stamp=stamp: stamp in camera.arrivals, "an answer")
        camera.arrivals.clear()
        if (number + 1) % max(images // MEMORY_SAMPLES, 1) == 0:
            samples.append(subject.resident_mib())
    return {"images": images, "seconds": time.monotonic() - began, "resident_mib": samples}


def measure(options: Options, camera: Camera) -> dict:
    """All that the benchmark reports, as in its JSON file."""
    report: dict[str, Any] = {
        "machine": machine(),
        "profile": os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE", ""),
    }
    if options.seconds:
        third = options.seconds / 3
        report["runs"] = {}
        with running(FLOOR, camera) as floor:
            report["runs"]["floor, 30 Hz"] = measure_rate(camera, floor, 30, third)
            report["runs"]["floor, 120 Hz"] = measure_rate(camera, floor, 120, third)
        camera.dropped = 0
        with running(FEMO, camera) as femo:
            report["runs"]["femo, 30 Hz"] = measure_rate(camera, femo, 30, options.seconds)
            for name, message_type, topic in (
                ("image watched", Image, "image_annotated"),
                ("JPEG watched", CompressedImage, "image_annotated/compressed"),
            ):
                with watched(camera, message_type, topic):
                    report["runs"][f"femo, 30 Hz, {name}"] = measure_rate(camera, femo, 30, third)
            report["runs"]["femo, 120 Hz"] = measure_rate(camera, femo, 120, third)
    if options.images:
        with running(FEMO, camera) as femo:
            report["memory"] = measure_memory(camera, femo, options.images)
    return report


def print_report(report: dict, console: Console) -> None:
    """Prints the table, and the memory."""
    runs = report.get("runs", {})
    if runs:
        table = Table("640x480, one face", *runs)
        latencies = [run["latency_ms"] for run in runs.values()]
        table.add_row("images sent", *(str(run["sent"]) for run in runs.values()))
        table.add_row("answered", *(str(run["answered"]) for run in runs.values()))
        table.add_row("dropped for newer ones", *(str(run["dropped_for_newer"]) for run in runs.values()))
        table.add_row("lost", *(str(run["lost"]) for run in runs.values()))
        table.add_row("processor cores", *(f"{run['cores']:.2f}" for run in runs.values()))
        table.add_row("processor time an image, ms", *(f"{run['processor_ms_an_image']:.1f}" for run in runs.values()))
        table.add_row("latency, median, ms", *(f"{each['median']:.1f}" for each in latencies))
        table.add_row("latency, 95th percentile, ms", *(f"{each['p95']:.1f}" for each in latencies))
        table.add_row("latency, largest, ms", *(f"{each['largest']:.1f}" for each in latencies))
        table.add_row("others' processor time", *(f"{run['others']:.0%}" for run in runs.values()))
        console.print(table)
    if memory := report.get("memory"):
        samples = memory["resident_mib"]
        console.print(
            f"{memory['images']:,} images, each before the next, in {memory['seconds']:.0f} s: resident memory"
            f" {samples[0]:.0f} MiB after the first twentieth, {samples[-1]:.0f} MiB at the end,"
            f" {max(samples):.0f} MiB at most"
        )


def keep_others_out() -> None:
    """Leaves other programs on this machine and in this network out of all that is started from now on."""
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 101))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def main(options: Options) -> None:
    """Measures, prints the table, and writes what was asked for."""
    keep_others_out()
    report = measure(options, Camera())
    print_report(report, Console())
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
