"""Processes that `fork_server.py` starts, seen from the test."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_SERVER = Path(__file__).with_name("fork_server.py")


@contextmanager
def fork_server(path: Path, modules: Sequence[str], environment: Mapping[str, str]) -> Iterator[Path]:
    """A server at the socket `path` that has imported the modules; gives the path."""
    command = [sys.executable, str(_SERVER), str(path), *modules]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            yield path
        finally:
            server.kill()


class ForkedProcess:
    """A process of a fork server, with as much of the interface of `subprocess.Popen` as is used here."""

    def __init__(
        self,
        server: Path,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdout: int,
        stderr: int,
        setup: str = "",
    ):
        """Have the module's function `main` run in a new process, after the code of `setup`.

        The process gets copies of the descriptors `stdout` and `stderr`.
        """
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(server))
        request = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "setup": setup,
        }
        socket.send_fds(self._connection, [json.dumps(request).encode()], [stdout, stderr])
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative after a signal; None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code, negative after a signal."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self.returncode = os.waitstatus_to_exitcode(int(self._answers.readline()))
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)
