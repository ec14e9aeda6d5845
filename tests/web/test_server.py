"""The server behind real connections: slow clients, clients that vanish, and its end."""

import contextlib
import json
import socket
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from femo_jax.web import protection

from .conftest import picture, publish

PATIENCE = 60  # seconds until a test gives up


@contextlib.contextmanager
def connected(port):
    """A raw connection; reading from it ends after `PATIENCE`."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        yield connection


@contextlib.contextmanager
def publishing(view, size=(96, 72)):
    """Publishes frames while the block runs; gives an object that counts them."""
    ended = threading.Event()

    def work():
        while not ended.wait(0.002):
            publish(view, size=size)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def eventually(condition):
    """Waits for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def clients(server, kind):
    """How many clients of a kind the metrics count."""
    lines = server.http.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith(f'femo_clients{{kind="{kind}"}}')]
    return float(found[0].split()[-1]) if found else 0.0


def test_events_and_motion_jpeg(site, serve):
    server = serve(site)
    with publishing(site.view):
        with server.http.stream("GET", "/v1/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            records = []
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    records.append(json.loads(line[6:]))
                if len(records) == 5:
                    break
        numbers = [record["number"] for record in records]
        assert numbers == sorted(set(numbers))
        with server.http.stream("GET", "/v1/video.mjpeg") as answer:
            assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=femo-frame"
            contents = b""
            for part in answer.iter_raw():
                contents += part
                if contents.count(b"--femo-frame") == 4:
                    break
        head, _, rest = contents.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2])
        assert rest[:2] == b"\xff\xd8"
        assert rest[length - 2 : length] == b"\xff\xd9"
    eventually(lambda: clients(server, "video") == clients(server, "events") == 0)


def test_a_client_that_reads_nothing_slows_nobody(site, serve):
    server = serve(site)
    with publishing(site.view, size=(640, 480)), connected(server.port) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(b"GET /v1/video.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stuck.recv(1)
        with server.http.stream("GET", "/v1/stream") as answer:
            seen = sum(line.startswith("data: ") for line, _ in zip(answer.iter_lines(), range(400), strict=False))
        assert seen == 200
        missed = [line for line in server.http.get("/metrics").text.splitlines() if "missed_total" in line]
        assert clients(server, "video") == 1
        assert missed or site.view.newest.number >= 200
    eventually(lambda: clients(server, "video") == 0)


def test_a_client_that_takes_nothing_is_disconnected(site, serve, monkeypatch):
    monkeypatch.setattr(protection, "WRITE_TIMEOUT", 0.2)
    server = serve(site)
    with publishing(site.view, size=(640, 480)), connected(server.port) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(b"GET /v1/video.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: clients(server, "video") == 1)
        eventually(lambda: clients(server, "video") == 0)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nX-", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT"]
)
def test_connections_without_a_whole_request_are_closed(site, serve, monkeypatch, sent):
    monkeypatch.setattr(protection, "REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr(protection, "KEEP_ALIVE_TIMEOUT", 1)  # a request that begins behind a whole one has no other
    server = serve(site)
    with connected(server.port) as slow:
        slow.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(4096):
                continue
    assert server.http.get("/healthz").status_code == 200


def test_an_upload_that_does_not_end_is_given_up(site, serve, monkeypatch):
    monkeypatch.setattr("femo_jax.web.app._UPLOAD_TIMEOUT", 0.2)
    server = serve(site)
    with connected(server.port) as slow:
        slow.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


def test_clients_that_vanish_leave_nothing_behind(site, serve):
    server = serve(site)
    with publishing(site.view, size=(640, 480)):
        for path in ("/v1/video.mjpeg", "/v1/stream"):
            for _ in range(5):
                with connected(server.port) as client:
                    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    client.recv(700)  # in the middle of a frame
        with connected(server.port) as client:  # in the middle of an upload
            client.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        for path in ("live", "camera"):
            with connect(f"ws://localhost:{server.port}/v1/{path}") as page:
                page.send("next" if path == "live" else picture())
                page.socket.close()
        for kind in ("video", "events", "page", "camera"):
            eventually(lambda kind=kind: clients(server, kind) == 0)
    assert site._clients == site._cameras == site._waiting == 0
    assert server.http.post("/v1/predict", content=picture()).status_code == 200


def test_so_many_clients_at_a_time(make_site, serve):
    site = make_site(clients=2)
    publish(site.view)
    server = serve(site)
    with server.http.stream("GET", "/v1/stream"), server.http.stream("GET", "/v1/video.mjpeg"):
        assert server.http.get("/v1/stream").status_code == 503
        assert server.http.get("/v1/faces").status_code == 200
        with connect(f"ws://localhost:{server.port}/v1/live") as page, pytest.raises(ConnectionClosed):
            page.recv(timeout=PATIENCE)
    eventually(lambda: site._clients == 0)


def test_requests_that_are_none(site, serve):
    server = serve(site)
    for sent in (b"\x16\x03\x01\x02\x00" + bytes(50), b"GET\r\n\r\n", b"A" * 100_000, b"GET / HTTP/1.1\r\n\r\n"):
        # The server may close first: a reset, a broken pipe, or nothing to shut down any more.
        with connected(server.port) as client, contextlib.suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                continue
    assert server.http.get("/healthz").status_code == 200


def test_open_streams_end_with_the_server(site):
    from femo_jax.web.server import Address, serving

    address = Address("127.0.0.1", 0)
    listening = address.listen()
    port = listening.getsockname()[1]
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as readers:
        stack.enter_context(serving(site, address, listening))
        publish(site.view)
        stream = readers.enter_context(connected(port))
        stream.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        page = readers.enter_context(connect(f"ws://localhost:{port}/v1/live"))
        page.send("next")
        page.recv(timeout=PATIENCE), page.recv(timeout=PATIENCE)
        page.send("next")
        stack.close()
        while stream.recv(4096):
            continue
        with pytest.raises(ConnectionClosed):
            page.recv(timeout=PATIENCE)
    assert not any(thread.name == "femo web" for thread in threading.enumerate())


def test_the_address_of_the_page():
    from femo_jax.web.server import Address

    address = Address("127.0.0.1", 0)
    with address.listen() as listening:
        assert address.url(listening) == f"http://localhost:{listening.getsockname()[1]}/"
