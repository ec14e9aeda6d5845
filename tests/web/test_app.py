import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from femo_jax.emotions import EMOTIONS

from .conftest import picture, publish


def huge_png(width=20_000, height=20_000):
    """The header of a PNG of 400 megapixels, without them."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_the_page_and_what_it_loads(client):
    page = client.get("/")
    assert "femo live view" in page.text
    for name in ("app.js", "faces.js", "settings.js", "style.css", "icon.svg"):
        assert client.get(f"/{name}").status_code == 200
    for name in ("login.html", "index.html", "..%2fapp.py", "nowhere"):
        assert client.get(f"/{name}").status_code == 404


def test_what_the_page_must_know(client):
    info = client.get("/v1/info").json()
    assert info["class_names"] == list(info["colors"]) == list(EMOTIONS)
    assert (info["source"], info["camera"], info["settings"]) == ("clip.mp4", True, True)


def test_the_newest_faces_and_frame(client, site):
    for path in ("/v1/faces", "/v1/image.jpg"):
        assert client.get(path).status_code == 503
    publish(site.view, label="sad")
    record = client.get("/v1/faces").json()
    assert (record["state"], record["faces"][0]["label"], record["width"]) == ("live", "sad", 96)
    image = client.get("/v1/image.jpg")
    assert image.headers["content-type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(image.content, np.uint8), cv2.IMREAD_COLOR).shape == (72, 96, 3)


def test_a_server_without_a_source_says_so(make_site, make_client):
    client = make_client(make_site(source=None))
    for path in ("/v1/faces", "/v1/image.jpg", "/v1/video.mjpeg"):
        answer = client.get(path)
        assert (answer.status_code, "no camera" in answer.json()["error"]) == (503, True)


def test_an_image_as_bytes(client):
    (prediction,) = client.post("/v1/predict", content=picture(".jpg")).json()
    assert (prediction["path"], prediction["width"], prediction["height"]) == ("image", 96, 72)
    (face,) = prediction["faces"]
    assert face["box"] == [20, 10, 40, 40]
    assert sum(face["probabilities"].values()) == pytest.approx(1)


def test_several_files(client):
    files = [
        ("images", (name, picture(size=(80, size)), "image/png")) for name, size in (("a.png", 60), ("b/c.png", 70))
    ]
    predictions = client.post("/v1/predict", files=files).json()
    assert [(each["path"], each["height"]) for each in predictions] == [("a.png", 60), ("b/c.png", 70)]


@pytest.mark.parametrize(
    ("contents", "status", "words"),
    [
        (b"", 400, "no image"),
        (b"not an image", 422, "not an image"),
        (picture()[:200], 422, "not an image"),
        (huge_png(), 422, "20000x20000 pixels"),
        (b"\xff\xd8\xff" + bytes(1000), 422, "not an image"),
        (bytes(2_000_001), 413, "expected at most 2,000,000"),
    ],
)
def test_uploads_that_are_no_images(make_site, make_client, contents, status, words):
    client = make_client(make_site(upload_bytes=2_000_000))
    answer = client.post("/v1/predict", content=contents)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True)
    assert client.post("/v1/predict", content=picture()).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"x"),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\n\r\n--a--"),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="f"\r\n\r\ntext\r\n--a--\r\n',
        ),
        ("multipart/form-data; boundary=\xff", b"--a--"),
    ],
)
def test_multipart_bodies_that_are_none(client, kind, body):
    answer = client.post("/v1/predict", content=body, headers={"content-type": kind.encode("latin-1")})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_too_many_files(make_site, make_client):
    client = make_client(make_site(files=2))
    answer = client.post("/v1/predict", files=[("images", (f"{n}.png", picture())) for n in range(3)])
    assert (answer.status_code, "2" in answer.json()["error"]) == (400, True)


def test_thousands_of_requests_are_refused_after_the_first(make_site, make_client):
    client = make_client(make_site(requests_per_second=5.0))
    answers = [client.post("/v1/predict", content=b"x") for _ in range(400)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [422] * 10
    assert statuses.count(429) > 200
    assert int(next(answer for answer in answers if answer.status_code == 429).headers["retry-after"]) >= 1
    assert client.get("/healthz").status_code == 200


def test_settings_are_checked_and_reach_the_engine(make_site, make_client):
    class Engine:
        settings = None

    engine = Engine()
    client = make_client(make_site(engine=engine))
    record = client.get("/v1/settings").json()
    assert record["values"]["track"]["smoothing_ms"] == 400
    changed = client.put("/v1/settings", json={"track": {"smoothing_ms": 100}})
    assert changed.json()["values"]["track"]["smoothing_ms"] == 100
    assert engine.settings.track.smoothing_ms == 100
    wrong = client.put("/v1/settings", json={"track": {"smoothing_ms": -1}})
    assert (wrong.status_code, "smoothing_ms is -1" in wrong.json()["error"]) == (422, True)
    assert engine.settings.track.smoothing_ms == 100


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/json", b"{", 422),
        ("application/json", b"\xff\xfe", 422),
        ("application/json", b"[" * 50_000, 422),
        ("application/json", b" " * 100_001, 413),
        ("application/json", b'{"track": {"smoothing_ms": NaN}}', 422),
    ],
)
def test_settings_that_are_none(client, kind, body, status):
    assert client.put("/v1/settings", content=body, headers={"content-type": kind}).status_code == status


def test_settings_can_be_fixed(make_site, make_client):
    client = make_client(make_site(changeable=False))
    assert client.put("/v1/settings", json={}).status_code == 403
    assert client.get("/v1/info").json()["settings"] is False


def test_the_page_gets_a_frame_for_each_next(client, site):
    publish(site.view)
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text("next")
        record = socket.receive_json()
        assert (record["image"], record["number"], record["state"]) == (True, 1, "live")
        assert socket.receive_bytes().startswith(b"\xff\xd8")
        for label in ("sad", "fear", "angry"):
            publish(site.view, label=label)
        socket.send_text("next")
        assert socket.receive_json()["faces"][0]["label"] == "angry"
        socket.receive_bytes()
    assert 'femo_client_frames_missed_total{kind="page"} 2.0' in client.get("/metrics").text


def test_the_page_hears_of_a_source_that_is_gone(client, site):
    publish(site.view)
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text("next")
        socket.receive_json()
        socket.receive_bytes()
        site.view.report_problem("camera 0: gone.")
        socket.send_text("next")
        record = socket.receive_json()
        assert (record["image"], record["state"], record["message"]) == (False, "waiting", "camera 0: gone.")


@pytest.mark.parametrize(
    ("path", "send"),
    [
        ("/v1/live", lambda socket: socket.send_text("all")),
        ("/v1/live", lambda socket: socket.send_bytes(b"next")),
        ("/v1/camera", lambda socket: socket.send_text("next")),
        ("/v1/camera", lambda socket: socket.send_bytes(b"no image")),
        ("/v1/camera", lambda socket: socket.send_bytes(huge_png())),
        ("/v1/camera", lambda socket: socket.send_bytes(bytes(3_000_000))),
    ],
)
def test_other_messages_end_a_websocket(client, site, path, send):
    with client.websocket_connect(path) as socket:
        send(socket)
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert ended.value.code in (1003, 1007, 1009)
    assert client.get("/healthz").status_code == 200
    assert 'femo_clients{kind="page"} 0.0' in client.get("/metrics").text or "camera" in path


def test_the_camera_of_a_browser(client):
    with client.websocket_connect("/v1/camera") as socket:
        for number in (1, 2, 3):
            socket.send_bytes(picture(".jpg"))
            record = socket.receive_json()
            assert (record["number"], record["width"]) == (number, 96)
        assert [face["id"] for face in record["faces"]] == [1]
    assert 'femo_images_total{kind="camera"} 3.0' in client.get("/metrics").text


def test_so_many_cameras_at_a_time(make_site, make_client):
    client = make_client(make_site(cameras=1))
    with client.websocket_connect("/v1/camera") as first:
        with client.websocket_connect("/v1/camera") as second, pytest.raises(WebSocketDisconnect):
            second.receive_json()
        first.send_bytes(picture())
        first.receive_json()
    with client.websocket_connect("/v1/camera") as again:
        again.send_bytes(picture())
        assert again.receive_json()["number"] == 1


def test_metrics_count_requests(client):
    client.get("/nowhere")
    text = client.get("/metrics").text
    assert 'femo_requests_total{status="404"} 1.0' in text
    assert "# TYPE femo_frame_latency_seconds histogram" in text


def test_the_document_names_every_path(client, site):
    from femo_jax.web.app import create_app

    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    served = {route.path for route in create_app(site, None).routes}
    assert set(document["paths"]) <= served
    assert served - set(document["paths"]) == {"/", "/login", "/{name}", "/v1/live", "/v1/camera"}
    assert json.dumps(document).count("$ref") > 3
