"""Many clients at once: recognition keeps its rate, and memory stays flat. `FEMO_LOAD_SECONDS` shortens it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from femo_jax.live.output.video import VideoWriter

SECONDS = float(os.environ.get("FEMO_LOAD_SECONDS", "600"))
VIDEO_CLIENTS, EVENT_CLIENTS = 20, 5
FRAMES_PER_SECOND = 10.0

CLIENTS = """
import socket, sys, threading, time

port, videos, events, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
deadline = time.monotonic() + seconds
read = []

def look(path):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n".encode())
        total = 0
        while time.monotonic() < deadline:
            total += len(client.recv(1 << 16))
        read.append(total)

paths = ["/v1/video.mjpeg"] * videos + ["/v1/stream"] * events
threads = [threading.Thread(target=look, args=(path,)) for path in paths]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(min(read))
"""


@contextlib.contextmanager
def drip(port):
    """A client that reads a byte a second."""
    ended = threading.Event()

    def read():
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /v1/video.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while not ended.wait(1.0):
                    client.recv(1)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def resident(process):
    """Memory of a process in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1]) / 1024


@pytest.mark.perf
@pytest.mark.timeout(4 * SECONDS + 600)
def test_rate_and_memory_under_load(tmp_path):
    clip = tmp_path / "clip.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(clip, FRAMES_PER_SECOND) as writer:
        noise = rng.integers(0, 255, (60, 80, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        for shift in range(100):
            writer.write(np.roll(noise, 4 * shift, axis=1))
    command = [sys.executable, "-m", "femo_jax.cli.main", "serve", str(clip), "--port", "0", "--model", "small"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = next(found[1] for line in server.stderr if (found := re.search(r"serving on (\S+);", line)))
            port = int(re.search(r":(\d+)/", address)[1])

            def frames():
                text = httpx.get(f"{address}metrics", timeout=60).text
                return float(re.search(r"^femo_frames_total (\S+)", text, re.MULTILINE)[1])

            def rate(seconds):
                began, before = time.monotonic(), frames()
                time.sleep(seconds)
                return (frames() - before) / (time.monotonic() - began)

            alone = rate(max(SECONDS / 10, 15))
            numbers = [str(port), str(VIDEO_CLIENTS), str(EVENT_CLIENTS), str(SECONDS)]
            with (
                drip(port),
                subprocess.Popen([sys.executable, "-c", CLIENTS, *numbers], stdout=subprocess.PIPE) as crowd,
            ):
                time.sleep(SECONDS / 4)  # buffers of connections and encoders fill
                before = resident(server)
                loaded = rate(SECONDS / 2)
                after = resident(server)
                least = int(crowd.communicate()[0])
        finally:
            server.terminate()
            server.wait(60)
    print(f"\n{alone:.2f} frames/s alone, {loaded:.2f} with clients; {before:.1f} MiB, then {after:.1f} MiB")
    assert least > 0
    assert loaded > 0.95 * alone
    assert after < 1.02 * before
