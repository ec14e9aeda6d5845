import base64
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.sources import network
from femo_jax.live.sources.clips import ClipSource
from femo_jax.live.sources.network import download_image, open_network


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
                """Prints nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}/stream"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def switch_off(self):
        self.on = False
        self._server.shutdown()
        self._server.server_close()


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
    with open_network(first.address, give_up_after=300, timeout=60) as source:
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
        first = next(frames)
        while source.dropped < 20:
            time.sleep(0.01)
        assert next(frames).index > first.index + 20 - 1


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
    with open_network(first.address, give_up_after=1, timeout=60) as source:
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
            open_network(f"{scheme}://admin:secret@{address}", timeout=60)
        assert f"{scheme}://***@{address}: cannot be opened (Connection refused)" in str(caught.value)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_sends_nothing_is_not_waited_for(scheme):
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(SourceError, match=r"nothing answered within 0\.3 s"),
    ):
        open_network(f"{scheme}://127.0.0.1:{mute.getsockname()[1]}/x", timeout=0.3)


class _Files(BaseHTTPRequestHandler):
    """Serves one file without ranges, by which FFmpeg could look for its duration at its end; and error codes."""

    contents = b""
    authorization = None

    def do_GET(self):
        type(self).authorization = self.headers["Authorization"]
        if self.path.startswith("/error/"):
            self.send_error(int(self.path[7:10]))
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.contents)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(self.contents)

    def log_message(self, *_):
        """Prints nothing."""


@pytest.fixture
def files():
    """The handler of a server of one file, with its address."""
    handler = type("Files", (_Files,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    handler.address = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["clip.ts", "clip.mp4", "clip.avi"])
def test_a_finished_clip_over_http_is_read_once(files, write_clip, name):
    files.contents = write_clip(range(20), name=name, codec="mpeg2video" if name == "clip.ts" else "mpeg4").read_bytes()
    with open_network(f"{files.address}/{name}?token=secret") as source:
        assert isinstance(source, ClipSource)
        frames = list(source)
    assert len(frames) == 20
    assert frames[0].name == f"{files.address}/{name}?token=***"


@pytest.mark.parametrize(
    ("code", "words"), [(401, "401 Unauthorized"), (403, "403 Forbidden"), (404, "404 Not Found"), (500, "5XX Server")]
)
def test_a_server_that_refuses_is_not_one_that_does_not_answer(files, code, words):
    with pytest.raises(SourceError, match=rf"cannot be opened \(Server returned {words}.* Check the address"):
        open_network(f"{files.address}/error/{code}")


def test_what_is_no_video_is_an_error(files):
    files.contents = b"<html>" * 100
    with pytest.raises(SourceError, match="holds no video that FFmpeg decodes"):
        open_network(f"{files.address}/index.html")


def test_an_image_is_downloaded_with_user_and_password(files):
    files.contents = b"image"
    host = files.address.partition("://")[2]
    assert download_image(f"http://user:p%40ss@{host}/a.jpg") == b"image"
    assert files.authorization == "Basic " + base64.b64encode(b"user:p@ss").decode()


def test_an_image_that_cannot_be_downloaded_is_an_error(files, monkeypatch):
    with pytest.raises(SourceError, match=r"/error/401\?key=\*\*\*: the server answers 401 Unauthorized"):
        download_image(f"{files.address}/error/401?key=secret")
    with pytest.raises(SourceError, match="ftp: femo does not open"):
        download_image("ftp://host/a.jpg")
    files.contents = b"image"
    monkeypatch.setattr(network, "_LARGEST_IMAGE", 4)
    with pytest.raises(SourceError, match="larger than"):
        download_image(f"{files.address}/a.jpg")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(SourceError, match=r"cannot be downloaded \(Connection refused\)"):
            download_image(f"http://127.0.0.1:{unused.getsockname()[1]}/a.jpg")


class _Endless:
    """Stands in for `Decoder`: an endless stream, of which the demuxer announces a duration."""

    frames_per_second, is_finite = 25.0, True

    def __init__(self, *arguments, **options):
        self.call = (*arguments, options)

    def frames(self):
        while True:
            time.sleep(0.001)
            yield np.zeros((4, 6, 3), np.uint8)

    def to_bgr(self, frame):
        return frame

    def close(self):
        """Nothing is open."""


def test_a_recording_over_rtsp_is_live_and_ffmpeg_gets_the_timeout():
    opened = []

    def decode(*arguments, **options):
        opened.append(_Endless(*arguments, **options))
        return opened[-1]

    with open_network("rtsp://host/clip", timeout=2.5, decode=decode) as source:
        assert source.live
    ((address, options),) = (decoder.call for decoder in opened)
    assert address == "rtsp://host/clip"
    assert options["timeout"] == 2.5


def test_other_addresses_are_refused():
    with pytest.raises(SourceError, match="ftp: femo does not open such addresses; expected one of rtsp, rtsps, http"):
        open_network("ftp://host/clip.mp4")


@pytest.mark.parametrize("address", ["http://[::1/stream", "rtsp://u:p#x@host/a", "rtsp://u:p/x@host/a", "http:///a"])
def test_an_address_without_a_host_is_refused_with_a_hint(address):
    with pytest.raises(SourceError, match=r"not a valid address; expected, for example, .* as %2F") as caught:
        open_network(address)
    assert "p#x" not in str(caught.value) and "p/x" not in str(caught.value)
