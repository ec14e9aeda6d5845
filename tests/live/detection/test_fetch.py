"""The published model of YuNet comes once, as it should be, or with a message that helps."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from femo_jax.errors import FemoError
from femo_jax.live.detection import fetch
from femo_jax.live.detection.fetch import yunet_file

CONTENTS = b"a network"


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Serves a file in place of the published one; counts requests."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENTS)

        def log_message(self, *_):
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "YUNET_URL", f"http://127.0.0.1:{served.server_port}/yunet.onnx")
    monkeypatch.setattr(fetch, "YUNET_SHA256", hashlib.sha256(CONTENTS).hexdigest())
    yield requests
    served.shutdown()
    thread.join()
    served.server_close()


def test_the_model_is_fetched_once(server, capfd):
    path = yunet_file()
    assert path.read_bytes() == CONTENTS
    assert yunet_file() == path
    assert server == ["/yunet.onnx"]
    assert capfd.readouterr() == ("", "")


def test_another_file_is_refused_and_not_kept(server, monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "YUNET_SHA256", hashlib.sha256(b"another").hexdigest())
    with pytest.raises(FemoError, match="what comes from there is another file"):
        yunet_file()
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server):
    path = yunet_file()
    path.write_bytes(b"damaged")
    assert yunet_file().read_bytes() == CONTENTS


def test_without_a_network_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "YUNET_URL", "http://127.0.0.1:9/yunet.onnx")
    with pytest.raises(FemoError, match=r"127\.0\.0\.1:9/yunet\.onnx.*network once, or copy .*cache/models/yunet"):
        yunet_file()
    place = tmp_path / "cache" / "models" / "yunet_n_640_640.onnx"
    place.write_bytes(CONTENTS)
    monkeypatch.setattr(fetch, "YUNET_SHA256", hashlib.sha256(CONTENTS).hexdigest())
    assert yunet_file() == place
