"""Recognition rate and memory of `femo serve` with many clients, in turn with none.

python benchmarks/serve_load.py [--seconds 600] [--json F]

The server plays a clip of noise, whose frames are as large as JPEG makes them, at the clip's own rate: recognition
keeps it or falls behind. In each turn it is measured without
clients first, then with all of them: readers of Motion JPEG and of events, and one that reads a byte a second. With the
default of ten minutes with clients it takes a quarter of an hour; leave the machine alone meanwhile.
"""

import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
import tyro
from harness import machine

from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.live.output.video import VideoWriter

_SIZE = (640, 480)
_SHIFTS = 100  # frames of the clip
_SETTLED = 2.0  # seconds after which connections are open or closed


@dataclass(frozen=True)
class Options:
    """Measures `femo serve` with many clients, in turn with none."""

    seconds: float = 600.0
    """How long clients are connected, all turns together."""
    turns: int = 5
    """How often the server is measured without and with clients."""
    video_clients: int = 20
    """Clients of `/v1/video.mjpeg`."""
    event_clients: int = 5
    """Clients of `/v1/stream`."""
    frames_per_second: float = 10.0
    """Rate of the clip."""
    model: str = "small"
    """The model of the server."""
    json: Path | None = None
    """Write everything measured to this file."""


def main(options: Options) -> None:
    """Measures, prints, and writes what was asked for."""
    report = measure(options)
    without, with_clients = report["frames_per_second"]["without"], report["frames_per_second"]["with"]
    print(
        f"{without:.2f} frames/s without clients, {with_clients:.2f} with {report['clients']} ({report['ratio']:.1%});"
        f" {report['memory_mib']['start']:.1f} MiB of memory at the start, {report['memory_mib']['end']:.1f} at the end"
    )
    if options.json:
        write_json(options.json, report)


def measure(options: Options) -> dict:
    """Everything that is reported, as in its JSON file.

    Rates are medians over the turns. Memory is the resident size of the server: at the start of the measurement, in the
    middle of the first turn with clients, when all buffers are in use; and at its end, in the last turn with clients.

    Raises:
      FemoError: the server does not start, or a client gets nothing.
    """
    share = options.seconds / options.turns
    without: list[float] = []
    loaded: list[float] = []
    memory: list[float] = []
    least = 0
    with tempfile.TemporaryDirectory(prefix="femo-load-") as folder:
        clip = Path(folder) / "clip.mp4"
        _write_clip(clip, options.frames_per_second)
        with _served(clip, options.model) as (process, address):
            for _ in range(options.turns):
                without.append(_rate(address, share / 2))
                with _clients(address, options) as received:
                    time.sleep(_SETTLED)
                    for _ in range(2):
                        loaded.append(_rate(address, (share - _SETTLED) / 2))
                        memory.append(_resident_mib(process.pid))
                least = min(received)
                if least == 0:
                    raise FemoError(f"a client received nothing in {share:g} s, or lost its connection.")
                time.sleep(_SETTLED)
    rates = {"without": float(np.median(without)), "with": float(np.median(loaded))}
    return {
        "options": asdict(options) | {"json": None},
        "clients": options.video_clients + options.event_clients + 1,
        "frames_per_second": rates,
        "ratio": rates["with"] / rates["without"],
        "memory_mib": {"start": memory[0], "end": memory[-1], "all": memory},
        "least_bytes": least,
        "machine": machine(),
    }


def _write_clip(path: Path, frames_per_second: float) -> None:
    """Noise in squares of eight pixels, which moves."""
    width, height = _SIZE
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    frame = noise.repeat(8, axis=0).repeat(8, axis=1)
    with VideoWriter(path, frames_per_second) as writer:
        for shift in range(_SHIFTS):
            writer.write(np.roll(frame, 4 * shift, axis=1))


@contextlib.contextmanager
def _served(clip: Path, model: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A server on a free port: its process and address."""
    command = [sys.executable, "-m", "femo_jax.cli.main", "serve", str(clip), "--port", "0", "--model", model]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        lines = []
        for line in process.stderr or ():
            lines.append(line)
            if found := re.search(r"serving on (\S+);", line):
                yield process, found[1]
                return
        raise FemoError("".join(["the server did not start:\n", *lines]))
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextlib.contextmanager
def _clients(address: str, options: Options) -> Iterator[list[int]]:
    """All clients, in a process of their own; at the end the list has the bytes that each has received."""
    received: list[int] = []
    counts = map(str, (options.video_clients, options.event_clients))
    command = [sys.executable, __file__, "clients", str(httpx.URL(address).port), *counts]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield received
        output = process.communicate("\n")[0]
    received += [int(number) for number in output.split()]


def read_as_clients(port: int, videos: int, events: int) -> None:
    """Reads as all clients until standard input has a line.

    Prints the bytes that each has received, and 0 for one that has lost its connection. The one that reads a byte a
    second connects again when the server lets go of it.
    """
    ended = threading.Event()
    paths = ["/v1/video.mjpeg"] * videos + ["/v1/stream"] * events
    received = [0] * (len(paths) + 1)

    def read(number: int, path: str, at_once: int, pause: float) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(30)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while not ended.wait(pause):
                part = client.recv(at_once)
                if not part:
                    raise ConnectionError
                received[number] += len(part)

    def read_all(number: int, path: str) -> None:
        try:
            read(number, path, 1 << 16, 0)
        except OSError:
            received[number] = 0

    def read_slowly() -> None:
        while not ended.is_set():
            with contextlib.suppress(ConnectionError):
                read(len(paths), "/v1/video.mjpeg", 1, 1.0)

    threads = [threading.Thread(target=read_all, args=each) for each in enumerate(paths)]
    threads.append(threading.Thread(target=read_slowly))
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    ended.set()
    for thread in threads:
        thread.join()
    print(*received)


def _rate(address: str, seconds: float) -> float:
    """Recognised frames a second."""
    began, before = time.monotonic(), _frames(address)
    time.sleep(seconds)
    return (_frames(address) - before) / (time.monotonic() - began)


def _frames(address: str) -> float:
    text = httpx.get(f"{address}metrics", timeout=60).text
    found = re.search(r"^femo_frames_total (\S+)", text, re.MULTILINE)
    if found is None:
        raise FemoError(f"{address}metrics has no femo_frames_total.")
    return float(found[1])


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["clients"]:
            read_as_clients(*map(int, sys.argv[2:]))
        else:
            main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
