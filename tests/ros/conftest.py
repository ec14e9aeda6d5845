"""Nodes in processes of their own, and a client in the test's process: real rclpy over real DDS.

    def test_it(start_node, client):
        node = start_node("video_source", {"source": "clip.mp4"})
        images = client.collect(Image, "/image_raw")
        client.spin_until(lambda: images, "an image")
        assert node.stop(signal.SIGINT) == 0

Every test has a ROS domain of its own, in which only this machine is seen. Nothing sleeps: all waits have a condition
and a deadline, and report what was missing together with the node's log.
"""

import fcntl
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from forked import ForkedProcess, fork_server

PACKAGE = Path(__file__).parents[2] / "ros2_ws" / "src" / "femo_ros"
"""The sources of femo_ros, which come before the installed copy: tests never run yesterday's code."""

DEADLINE = 120.0
"""Seconds that a wait may take: discovery alone can take three, and on a loaded machine a node starts in a minute."""

ASK_AGAIN = 5.0
"""Seconds after which a question to a service is asked again."""

INTERFACES = Path(__file__).parent / "interfaces"
"""Definitions of interface packages that may be missing, with what builds them."""

PRELOADED = (
    "rclpy",
    "femo_ros.executable",
    "femo_ros.recognizer_node",
    "femo_ros.video_source_node",
    "femo_jax.live.recognizer",
)
"""What nodes import; importing it takes longer than a test."""

LIBRARIES = "FEMO_TEST_LIBRARIES"
"""Environment variable with a folder of libraries that a node loads first."""

LOAD_LIBRARIES = f"""
import ctypes, os, pathlib

for pattern in ("*_generator_c.so", "*_typesupport_*_c.so"):
    for path in sorted(pathlib.Path(os.environ.get({LIBRARIES!r}, "/nowhere")).glob(pattern)):
        ctypes.CDLL(str(path))
"""
"""Loads the type support of a folder: the search path of the dynamic linker is that of the start of the process."""

MISSING = [name for name in ("rclpy", "sensor_msgs", "femo_msgs") if find_spec(name) is None]


class _ModuleWithoutRos(pytest.Module):
    """A file of tests that cannot even be imported, since there is no ROS."""

    def collect(self):
        pytest.skip(
            f"no {', '.join(MISSING)}: run `make ros` and then `. .venv/ros/env.sh`, or source a ROS 2 with the"
            " workspace ros2_ws built"
        )


def pytest_pycollect_makemodule(module_path, parent):
    """Skips every file of tests, with the reason, where ROS or the workspace is missing."""
    return _ModuleWithoutRos.from_parent(parent, path=module_path) if MISSING else None


def _remove_half_made_ports(folder: Path = Path("/dev/shm"), age: float = 10.0) -> list[Path]:
    """Removes shared memory whose making was killed `age` seconds ago or earlier, and gives its paths.

    Fast DDS 2.14 waits for ever for such a port to become whole: the next node of any test hangs as it is created. The
    first word of a segment is the state of Boost's `managed_open_or_create`: 0 and 1 before it is whole, 2 after.
    """
    removed = []
    for path in folder.glob("fastrtps_port*[0-9]"):
        with suppress(FileNotFoundError):  # its node ends
            status = path.stat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < age:
                continue
            with path.open("rb") as file:
                if int.from_bytes(file.read(4), sys.byteorder) < 2:
                    path.unlink()
                    removed.append(path)
    return removed


@contextmanager
def _free_domain() -> Iterator[int]:
    """A domain that no other test has, in this process or another; below 102, where no other program's ports are."""
    folder = Path(tempfile.gettempdir()) / f"femo-ros-domains-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    _remove_half_made_ports()
    for domain in random.sample(range(1, 102), 101):
        with (folder / str(domain)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise RuntimeError("all ROS domains are in use by other tests")


@pytest.fixture
def remove_half_made_ports() -> Callable[..., list[Path]]:
    """What comes before each test with a domain."""
    return _remove_half_made_ports


@pytest.fixture
def domain(monkeypatch, tmp_path) -> Iterator[int]:
    """The test's ROS domain, set for this process and those that it starts."""
    with _free_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        if os.environ.get("ROS_DISTRO") == "humble":
            monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
        else:
            monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "ros_log"))
        yield domain


def fork_node(
    server: Path, module: str, arguments: Sequence[str], environment: Mapping[str, str], setup: str
) -> ForkedProcess:
    """Have a node run in a process of the server, whose standard error goes to its standard output."""
    read, write = os.pipe()
    node = ForkedProcess(
        server, module, arguments, environment, stdout=write, stderr=write, setup=LOAD_LIBRARIES + setup
    )
    os.close(write)
    node.stdout = os.fdopen(read, errors="replace")
    return node


def start_program(command: Sequence[str | Path], environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a program whose standard error goes to its standard output."""
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    )


class Process:
    """A running program whose output is read as it comes."""

    def __init__(self, popen: subprocess.Popen | ForkedProcess):
        """Read the output of a started program."""
        self._popen = popen
        self._lines: list[str] = []
        self._grown = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._popen.stdout:
            with self._grown:
                self._lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    @property
    def log(self) -> str:
        """All that it has written so far, to either stream."""
        with self._grown:
            return "".join(self._lines)

    def wait_for_log(self, pattern: str, timeout: float = DEADLINE, count: int = 1) -> re.Match:
        """The match of the `count`-th place in the log that fits a pattern, as soon as it is written.

        Raises:
          AssertionError: the time is up or the program has ended before; the text holds the log.
        """
        deadline = time.monotonic() + timeout
        expression = re.compile(pattern, re.MULTILINE)
        with self._grown:
            while True:
                found = list(expression.finditer("".join(self._lines)))
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "the program ended" if self._ended else f"{timeout:g} s are over"
                    raise AssertionError(f"{why}, {len(found)} of {count} times {pattern!r} in\n{''.join(self._lines)}")
                self._grown.wait(left)

    def send_signal(self, number: int) -> None:
        """Sends a signal and does not wait."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = DEADLINE) -> int:
        """The exit code, once the program has ended; negative where a signal ended it.

        Raises:
          AssertionError: it still runs when the time is up; the text holds the log.
        """
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s:\n{self.log}") from None
        self._reader.join(timeout)
        return code

    def stop(self, number: int = signal.SIGINT, timeout: float = DEADLINE) -> int:
        """Sends a signal, waits for the end and gives the exit code."""
        self.send_signal(number)
        return self.wait(timeout)

    def kill(self) -> None:
        """Ends the program, whatever it does."""
        if self.running:
            self._popen.kill()
        self._popen.wait()
        self._reader.join()


def ros_arguments(
    parameters: Mapping[str, Any] | None = None,
    remappings: Mapping[str, str] | None = None,
    namespace: str | None = None,
    name: str | None = None,
    params_file: Path | None = None,
) -> list[str]:
    """Arguments of a node's command line. Values are written as JSON, so that the text "0" stays a text."""
    arguments = ["--ros-args"]
    if params_file is not None:
        arguments += ["--params-file", str(params_file)]
    for key, value in (parameters or {}).items():
        arguments += ["-p", f"{key}:={json.dumps(str(value) if isinstance(value, Path) else value)}"]
    rules = dict(remappings or {})
    if namespace is not None:
        rules["__ns"] = namespace
    if name is not None:
        rules["__node"] = name
    for before, after in rules.items():
        arguments += ["-r", f"{before}:={after}"]
    return arguments


def node_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a started process: the sources of femo_ros come before the installed copy."""
    python_path = [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {**os.environ, "PYTHONPATH": os.pathsep.join(python_path), "PYTHONUNBUFFERED": "1"}
    return {**inherited, **(changes or {})}


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """The processes of a test: what is added here does not outlive it."""
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()


@pytest.fixture
def start_process(domain, processes) -> Callable[..., Process]:
    """A function of a command and of more environment variables."""

    def start(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        processes.append(Process(start_program(command, node_environment(environment))))
        return processes[-1]

    return start


@pytest.fixture(scope="session")
def node_server(tmp_path_factory) -> Iterator[Path]:
    """A fork server that has imported the nodes."""
    with fork_server(tmp_path_factory.mktemp("node_server") / "socket", PRELOADED, node_environment()) as path:
        yield path


@pytest.fixture
def start_node(node_server, domain, processes) -> Callable[..., Process]:
    """A function that starts an executable of femo_ros with parameters and what else `ros_arguments` takes."""

    def start(
        executable: str,
        parameters: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        command_line: Sequence[str] | None = None,
        setup: str = "",
        **arguments: Any,
    ) -> Process:
        command_line = ros_arguments(parameters, **arguments) if command_line is None else command_line
        module = f"femo_ros.{executable}"
        processes.append(Process(fork_node(node_server, module, command_line, node_environment(environment), setup)))
        return processes[-1]

    return start


@pytest.fixture
def start_node_from_scratch(start_process) -> Callable[..., Process]:
    """The same with `python -m femo_ros.EXECUTABLE`, for tests of what happens before the node exists.

    `setup` is Python code that runs first.
    """

    def start(
        executable: str,
        parameters: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        setup: str = "",
        **arguments: Any,
    ) -> Process:
        module = f"femo_ros.{executable}"
        code = f"import runpy\n{setup}\nrunpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
        program = ["-c", code] if setup else ["-m", module]
        return start_process([sys.executable, *program, *ros_arguments(parameters, **arguments)], environment)

    return start


@pytest.fixture(scope="session")
def built_interfaces() -> Path | None:
    """The folder of the interface packages of `interfaces/`, built once; None where they are installed."""
    missing = [path.name for path in sorted(INTERFACES.iterdir()) if path.is_dir() and find_spec(path.name) is None]
    if not missing:
        return None
    digest = hashlib.sha256()
    for path in sorted(INTERFACES.rglob("*.*")):
        digest.update(path.read_bytes())
    target = Path(sys.prefix) / "ros" / f"interfaces-{digest.hexdigest()[:12]}"
    target.parent.mkdir(exist_ok=True)
    with (target.parent / "interfaces.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (target / "built").exists():
            command = [str(INTERFACES / "build.sh"), sys.prefix, str(target), *missing]
            built = subprocess.run(command, capture_output=True, text=True, check=False)
            assert built.returncode == 0, built.stdout + built.stderr
            (target / "built").touch()
    return target / "install"


@pytest.fixture
def interfaces(built_interfaces, monkeypatch) -> None:
    """The interface packages of `interfaces/`, for this process and those that it starts."""
    if built_interfaces is None:
        return
    (packages,) = built_interfaces.glob("lib/python*/site-packages")
    monkeypatch.syspath_prepend(packages)
    for name, path in (
        ("PYTHONPATH", packages),
        ("AMENT_PREFIX_PATH", built_interfaces),
        (LIBRARIES, built_interfaces / "lib"),
    ):
        monkeypatch.setenv(name, os.pathsep.join(filter(None, [str(path), os.environ.get(name)])))
    exec(LOAD_LIBRARIES, {})


class Client:
    """A node in the test's own process; it runs only inside its waiting methods, in the test's thread."""

    def __init__(self, domain: int, name: str = "test_client", parameters: Sequence[Any] = ()):
        """Joins the domain, with a context of its own; `parameters` are rclpy's, such as use_sim_time."""
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name, context=self._context, parameter_overrides=list(parameters))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def close(self) -> None:
        """Leaves the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def spin_until(self, condition: Callable[[], Any], what: str = "", timeout: float = DEADLINE) -> Any:
        """Runs callbacks until the condition holds, and gives its value.

        Raises:
          AssertionError: it does not hold when the time is up; the text says `what` was waited for.
        """
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout:g} s: {what or condition}")
            self._executor.spin_once(timeout_sec=0.02)
        return value

    def spin_for(self, seconds: float) -> None:
        """Runs callbacks for a time, to see that something does NOT happen or to measure a rate."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def collect(self, message_type: type, topic: str, qos: Any = 10) -> list:
        """A list to which every message of a topic is added, as soon as a publisher of it is matched."""
        received = []
        self.node.create_subscription(message_type, topic, received.append, qos)
        return received

    def publisher(self, message_type: type, topic: str, qos: Any = 10, subscribers: int = 1) -> Any:
        """A publisher that so many subscribers hear; 0 does not wait."""
        publisher = self.node.create_publisher(message_type, topic, qos)
        self.spin_until(lambda: publisher.get_subscription_count() >= subscribers, f"{subscribers} on {topic}")
        return publisher

    def call(self, service_type: type, name: str, request: Any = None, timeout: float = DEADLINE) -> Any:
        """The answer of a service, once it is there.

        A question without a request changes nothing, and is asked again every few seconds: on a busy machine a service
        may answer before it has found the client, and that answer is lost.
        """
        client = self.node.create_client(service_type, name)
        self.spin_until(client.service_is_ready, f"service {name}", timeout)
        asked = [client.call_async(service_type.Request() if request is None else request)]
        again = time.monotonic() + ASK_AGAIN

        def answer() -> Any:
            nonlocal again
            if request is None and time.monotonic() > again:
                asked.append(client.call_async(service_type.Request()))
                again += ASK_AGAIN
            return next((future for future in asked if future.done()), None)

        answered = self.spin_until(answer, f"an answer of {name}", timeout)
        self.node.destroy_client(client)
        return answered.result()


@pytest.fixture
def new_client(domain) -> Iterator[Callable[..., Client]]:
    """A function that makes clients in the test's domain."""
    made = []

    def make(name: str = "test_client", parameters: Sequence[Any] = ()) -> Client:
        made.append(Client(domain, name, parameters))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def client(new_client) -> Client:
    """A client in the test's domain."""
    return new_client()
