"""Start processes that have imported everything already: importing JAX, or rclpy, takes longer than many a test.

    python fork_server.py SOCKET MODULE...

imports the modules and serves. Each connection asks for one process: a JSON object `{"module", "arguments",
"environment", "setup"}` with the descriptors of its standard output and standard error. `setup` is Python code that
runs first, by which a test breaks something on purpose. The answers are lines: the process id, and later the exit
status as `os.waitpid` gives it. The process itself is as one of its own: nothing of ROS or JAX is initialised before
the fork, no thread runs, and it ends as Python ends. Only what modules read from the environment when they are
imported is that of the server.
"""

import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence


def run(request: dict, outputs: Sequence[int]) -> None:
    """Be the process that was asked for."""
    for descriptor, output in enumerate(outputs, start=1):
        os.dup2(output, descriptor)
        os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
    sys.argv = [request["module"], *request["arguments"]]
    exec(request["setup"], {})
    sys.exit(importlib.import_module(request["module"]).main())


def serve_one(connection: socket.socket) -> None:
    """Start the process that a connection asks for, and report its id and its end."""
    data, outputs, _, _ = socket.recv_fds(connection, 1 << 20, 2)
    pid = os.fork()
    if pid == 0:
        connection.close()
        run(json.loads(data), outputs)
    for output in outputs:
        os.close(output)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{status}\n".encode())
    os._exit(0)


def main(path: str, modules: Sequence[str]) -> None:
    """Import the modules and serve until the process is killed."""
    for module in modules:
        importlib.import_module(module)
    if threading.active_count() > 1:
        raise RuntimeError(f"importing started threads, which a fork does not copy: {threading.enumerate()}")
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
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
