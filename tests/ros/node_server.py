"""Start nodes as processes that have imported everything already: importing rclpy and JAX takes longer than a test.

    python node_server.py SOCKET

Each connection asks for one process: a JSON object `{"module", "arguments", "environment", "setup"}` with the
descriptor of its output. `setup` is Python code that runs first, by which a test breaks something on purpose. The
answers are lines: the process id, and later the exit status as `os.waitpid` gives it. The node itself is as in a
process of its own: nothing of ROS or JAX is initialised before the fork, and no thread runs.
"""

import ctypes
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

LIBRARIES = "FEMO_TEST_LIBRARIES"
"""Environment variable with a folder of libraries that are loaded first."""

PRELOADED = (
    "rclpy",
    "femo_ros.executable",
    "femo_ros.recognizer_node",
    "femo_ros.video_source_node",
    "femo_jax.live.recognizer",
)


def load_libraries(folder: str) -> None:
    """Load the type support of a folder: the search path of the dynamic linker is that of the start of the process."""
    for pattern in ("*_generator_c.so", "*_typesupport_*_c.so"):
        for path in sorted(Path(folder).glob(pattern)):
            ctypes.CDLL(str(path))


def run_node(request: dict, output: int) -> None:
    """Become the node; never returns."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    load_libraries(os.environ.get(LIBRARIES, "/nowhere"))
    sys.argv = [request["module"], *request["arguments"]]
    status = 1
    try:
        exec(request["setup"], {})
        status = importlib.import_module(request["module"]).main()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve_one(connection: socket.socket) -> None:
    """Start the process that a connection asks for, and report its id and its end."""
    data, (output, *_), _, _ = socket.recv_fds(connection, 1 << 20, 1)
    pid = os.fork()
    if pid == 0:
        connection.close()
        run_node(json.loads(data), output)
    os.close(output)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{status}\n".encode())


def main(path: str) -> None:
    """Serve until standard input ends, which is when the tests end."""
    for module in PRELOADED:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process that serves a connection is waited for
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            serve_one(connection)
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
