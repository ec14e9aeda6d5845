"""emotion_recognizer over a long time in a restless graph: memory, threads, ids, and unanswered images.

python benchmarks/ros_soak.py [--minutes 30] [--json F]

For a shell in which ROS 2 and the workspace are sourced. A camera publishes at 30 Hz for fifteen seconds, is gone for
five, and comes back; a subscriber of the raw annotated image comes and goes every ten seconds; a parameter changes
every five. Camera and subscriber of the answers share a process; the node and the other subscriber have one each.
"""

import itertools
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import rclpy
import tyro
from diagnostic_msgs.msg import DiagnosticArray
from femo_msgs.msg import FaceEmotionArray
from harness import ProcessorTime, machine
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.task import Future
from ros import FEMO, NODE, WATCHER, Participant, Subject, keep_others_out, moving_face
from sensor_msgs.msg import Image

from femo_jax.errors import FemoError
from femo_jax.files import write_json

RATE_HZ = 30
PRESENT_SECONDS, AWAY_SECONDS = 15.0, 5.0
WATCHER_SECONDS = 10.0
PARAMETER_SECONDS = 5.0
SAMPLE_SECONDS = 10.0
WARM_UP = 0.1
"""Share of the samples of memory that come before it is settled."""

CHANGES = (
    ("track.smoothing_ms", 200.0),
    ("search.full_scan_ms", 500.0),
    ("track.smoothing_ms", 400.0),
    ("search.full_scan_ms", 250.0),
)
"""Parameters that are set in turn; each is set back by the next change of the same name."""


@dataclass(frozen=True)
class Options:
    """Runs emotion_recognizer in a restless graph and reports what became of it."""

    minutes: float = 30.0
    """How long the camera comes and goes."""
    json: Path | None = None
    """Write the report to this file."""


class Graph(Participant):
    """The camera that comes and goes, and what the node answers."""

    def __init__(self) -> None:
        """Joins the domain of the environment; no camera yet."""
        super().__init__("soak")
        self._images = moving_face()
        self._camera: Publisher | None = None
        self._parameters = self.node.create_client(SetParameters, f"{NODE}/set_parameters")
        self._changes = itertools.cycle(CHANGES)
        self._pending: list[Future] = []
        self.refused: list[str] = []
        self.presence = 0
        self.sent: list[int] = []
        self.answered: list[int] = []
        self.seen_in: dict[int, set[int]] = defaultdict(set)
        self.diagnosed: dict[str, str] = {}
        self.level = 0
        self.node.create_subscription(FaceEmotionArray, f"{NODE}/faces", self._answered, 1000)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)

    def _answered(self, message: FaceEmotionArray) -> None:
        self.answered[self.presence] += 1
        for face in message.faces:
            self.seen_in[face.track_id].add(self.presence)

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.level = int.from_bytes(status.level, "little") if isinstance(status.level, bytes) else status.level
            self.diagnosed = {value.key: value.value for value in status.values}

    @property
    def dropped(self) -> int:
        """Images that the node dropped for newer ones, by its diagnostics."""
        return int(self.diagnosed.get("images dropped for newer ones", 0))

    def come(self) -> None:
        """The camera appears; returns once the node listens to it. FemoError where it never does."""
        camera = self._camera = self.node.create_publisher(Image, "image", QoSProfile(depth=5))
        self.wait_for(lambda: camera.get_subscription_count() > 0, "the node listens to the camera")
        self.presence = len(self.sent)
        self.sent.append(0)
        self.answered.append(0)

    def publish(self) -> None:
        """An image of the present time."""
        if self._camera is None:
            raise FemoError("there is no camera at present")
        message = self._images[sum(self.sent) % len(self._images)]
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        self._camera.publish(message)
        self.sent[self.presence] += 1

    def go(self) -> None:
        """The camera disappears, after the last answers have come."""
        self.spin(1.0)
        if self._camera is not None:
            self.node.destroy_publisher(self._camera)
        self._camera = None

    def change_a_parameter(self) -> None:
        """Sets the next of the parameters; what the node replies to the one before must be there by now."""
        for future in self._pending:
            reply = future.result() if future.done() else None
            if reply is None:
                self.refused.append("no reply")
            elif not reply.results[0].successful:
                self.refused.append(reply.results[0].reason)
        name, value = next(self._changes)
        parameter = Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value))
        self._pending = [self._parameters.call_async(SetParameters.Request(parameters=[parameter]))]


class Watcher:
    """A subscriber of the raw annotated image, in a process of its own, that comes and goes."""

    def __init__(self) -> None:
        """Not there yet."""
        self._process: subprocess.Popen | None = None

    def toggle(self) -> None:
        """Comes, or goes without saying so, as a program that is killed."""
        if self._process is None:
            self._process = subprocess.Popen([sys.executable, "-c", WATCHER, "Image", f"{NODE}/image_annotated"])
        else:
            self.leave()

    def leave(self) -> None:
        """Is gone afterwards."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def threads(pid: int) -> int:
    """Threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def soak(graph: Graph, watcher: Watcher, subject: Subject, pid: int, seconds: float) -> list[dict]:
    """Lets all come and go for so long; gives samples of the node's memory and threads."""
    samples: list[dict] = []
    began = time.monotonic()
    due = {"watcher": 0.0, "parameter": 0.0, "sample": SAMPLE_SECONDS}
    while time.monotonic() - began < seconds:
        graph.come()
        arrived = time.monotonic()
        for number in range(round(RATE_HZ * PRESENT_SECONDS)):
            graph.publish()
            now = time.monotonic() - began
            if now >= due["watcher"]:
                watcher.toggle()
                due["watcher"] = now + WATCHER_SECONDS
            if now >= due["parameter"]:
                graph.change_a_parameter()
                due["parameter"] = now + PARAMETER_SECONDS
            if now >= due["sample"]:
                samples.append({"seconds": now, "mib": subject.resident_mib(), "threads": threads(pid)})
                due["sample"] = now + SAMPLE_SECONDS
            graph.spin(arrived + (number + 1) / RATE_HZ - time.monotonic())
        graph.go()
        graph.spin(AWAY_SECONDS - 1.0)
    return samples


def report(graph: Graph, samples: list[dict], processor: float, others: float) -> dict:
    """What became of the node, as in the JSON file."""
    settled = samples[round(WARM_UP * len(samples)) :]
    half = len(settled) // 2
    sent, answered = sum(graph.sent), sum(graph.answered)
    return {
        "machine": machine(),
        "presences": len(graph.sent),
        "sent": sent,
        "answered": answered,
        "dropped_for_newer": graph.dropped,
        "lost": sent - answered - graph.dropped,
        "presences_without_answers": sum(not count for count in graph.answered),
        "ids": len(graph.seen_in),
        "ids_in_more_than_one_presence": sum(len(presences) > 1 for presences in graph.seen_in.values()),
        "parameter_changes_refused": graph.refused,
        "cores": processor,
        "others": others,
        "memory_mib": {"start": settled[0]["mib"], "half": settled[half]["mib"], "end": settled[-1]["mib"]},
        "threads": {"start": settled[0]["threads"], "end": settled[-1]["threads"]},
        "diagnostics": graph.diagnosed,
        "samples": samples,
    }


def main(options: Options) -> dict:
    """Soaks the node, prints what became of it, and writes what was asked for."""
    keep_others_out()
    graph, watcher = Graph(), Watcher()
    process = subprocess.Popen(FEMO)
    try:
        subject = Subject(process)
        used, own, began = subject.processor_seconds(), time.process_time(), time.monotonic()
        others = ProcessorTime()
        samples = soak(graph, watcher, subject, process.pid, 60 * options.minutes)
        if process.poll() is not None:
            raise FemoError(f"the node ended by itself, with {process.returncode}")
        used, elapsed = subject.processor_seconds() - used, time.monotonic() - began
        result = report(graph, samples, used / elapsed, others.share_beside(used + time.process_time() - own))
    finally:
        watcher.leave()
        process.send_signal(signal.SIGINT)
        process.wait()
        graph.node.destroy_node()
        rclpy.shutdown()
    memory = result["memory_mib"]
    print(
        f"{result['presences']} times a camera: {result['sent']:,} images, {result['answered']:,} answered,"
        f" {result['dropped_for_newer']:,} dropped for newer ones, {result['lost']:,} lost. {result['ids']} ids,"
        f" {result['ids_in_more_than_one_presence']} of them used twice. Memory {memory['start']:.1f} MiB at the start,"
        f" {memory['end']:.1f} MiB at the end; threads {result['threads']['start']} and {result['threads']['end']};"
        f" {result['cores']:.2f} cores; parameter changes refused: {len(result['parameter_changes_refused'])}."
    )
    if options.json:
        write_json(options.json, result)
    return result


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
