import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.sources.clips import ClipSource
from femo_jax.live.sources.network import open_network, without_password


class _Camera:
    """A network camera: an HTTP server that sends a Motion-JPEG stream until it is switched off."""

    def __init__(self, value, port=0, interval=0.02):
        self.on = True
        camera = self
        jpg = cv2.imencode(".jpg", np.full((48, 64, 3), value, np.uint8))[1].tobytes()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpg)}\r\n\r\n"
                try:
                    while camera.on:
                        self.wfile.write(head.encode() + jpg + b"\r\n")
                        time.sleep(interval)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_):
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}/stream"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def switch_off(self):
        self.on = False
        self._server.shutdown()
        self._server.server_close()


def _slowly(image):
    while True:
        time.sleep(0.01)
        yield image


@pytest.fixture
def camera():
    cameras = []

    def switch_on(*args, **kwargs):
        cameras.append(_Camera(*args, **kwargs))
        return cameras[-1]

    yield switch_on
    for one in cameras:
        if one.on:
            one.switch_off()


def test_a_stream_outlives_its_server(camera, caplog):
    first = camera(50)
    with open_network(first.address, give_up_after=20, timeout=5) as source:
        assert source.live
        frames = iter(source)
        frame = next(frames)
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.mean() == pytest.approx(50, abs=3)
        assert frame.name == first.address
        first.switch_off()
        second = camera(200, port=first.port)
        assert any(abs(frame.image.mean() - 200) < 3 for frame, _ in zip(frames, range(5000), strict=False))
        second.switch_off()
    assert "gives no more frames" in caplog.text
    assert "is back after" in caplog.text


def test_a_slow_reader_gets_the_newest_frames(camera):
    with open_network(camera(50, interval=0.005).address) as source:
        frames = iter(source)
        next(frames)
        time.sleep(0.3)
        before = time.monotonic()
        frame = next(frames)
        assert before - frame.time < 0.2
        assert source.dropped > 10


_UNCLOSED = """
import sys
from femo_jax.live.sources.network import open_network
print(next(iter(open_network(sys.argv[1]))).image.shape)
"""


def test_a_process_may_end_without_closing(camera):
    arguments = [sys.executable, "-c", _UNCLOSED, camera(50).address]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "(48, 64, 3)\n", "")


def test_a_stream_that_stays_away_is_given_up(camera):
    first = camera(50)
    with open_network(first.address, give_up_after=1, timeout=1) as source:
        frames = iter(source)
        next(frames)
        first.switch_off()
        with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:\d+/stream: gave no frame for 1 s"):
            for _ in frames:
                assert time.sleep(0) is None


def test_nothing_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}/stream"
    for scheme in ("http", "rtsp"):
        with pytest.raises(SourceError) as caught:
            open_network(f"{scheme}://admin:secret@{address}", timeout=2)
        assert f"{scheme}://admin:***@{address}: cannot be opened" in str(caught.value)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_says_nothing_is_not_waited_for(scheme):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"nothing answered within 0\.3 s"):
            open_network(f"{scheme}://127.0.0.1:{mute.getsockname()[1]}/x", timeout=0.3)
        assert time.monotonic() - began < 5


def test_a_clip_over_http_is_read_whole(fake_capture, plain):
    capture = fake_capture([plain(0), plain(1)], {cv2.CAP_PROP_FRAME_COUNT: 2})
    with open_network("https://host/clip.mp4", capture=lambda *_: capture) as source:
        assert isinstance(source, ClipSource)
        assert len(list(source)) == 2


def test_a_recording_over_rtsp_is_live(fake_capture, plain):
    capture = fake_capture(_slowly(plain(0)), {cv2.CAP_PROP_FRAME_COUNT: 2})
    with open_network("rtsp://host/clip", capture=lambda *_: capture) as source:
        assert source.live


def test_ffmpeg_is_told_the_timeout(fake_capture, plain):
    calls = []

    def capture(*arguments):
        calls.append(arguments)
        return fake_capture(_slowly(plain(0)))

    open_network("rtsp://host/x", timeout=2.5, capture=capture).close()
    settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 2500, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 2500]
    assert calls == [("rtsp://host/x", cv2.CAP_FFMPEG, settings)]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://host:554/a?b=c", "rtsp://host:554/a?b=c"),
        ("rtsp://user@host/a", "rtsp://user@host/a"),
        ("rtsp://user:pass:word@[::1]:8/a", "rtsp://user:***@[::1]:8/a"),
        ("http://user:p@ss@host/a", "http://user:***@host/a"),
    ],
)
def test_passwords_are_not_shown(address, shown):
    assert without_password(address) == shown


def test_other_addresses_are_refused():
    with pytest.raises(SourceError, match="ftp: femo does not open such addresses; expected one of rtsp, rtsps, http"):
        open_network("ftp://host/clip.mp4")


def test_a_broken_address():
    with pytest.raises(SourceError, match="not an address of a stream"):
        open_network("http://[::1/stream")
