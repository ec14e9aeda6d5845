"""The page of `femo serve` with the node's images and faces."""

import json
import socket
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest


@pytest.fixture
def port():
    """A port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def fetch(port, path):
    """What the page answers; None while it has no frame."""
    try:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        assert error.code == 503
        return None


def test_the_page_shows_the_images_and_faces_of_the_node(start_recognizer, camera, scene, quick, port):
    recognizer = start_recognizer({**quick, "web": True, "web_port": port})
    recognizer.process.wait_for_log("Listening")
    info = json.loads(fetch(port, "/v1/info"))
    assert (info["source"], info["camera"], info["settings"]) == (recognizer.node, False, False)
    (face,) = recognizer.faces_of(camera, scene.image)
    record = json.loads(recognizer.client.spin_until(lambda: fetch(port, "/v1/faces"), "a frame on the page"))
    assert [each["label"] for each in record["faces"]] == [scene.label]
    assert [each["id"] for each in record["faces"]] == [face.track_id]
    image = cv2.imdecode(np.frombuffer(fetch(port, "/v1/image.jpg"), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == scene.image.shape
    assert b"femo live view" in fetch(port, "/")

    assert recognizer.change_state("deactivate") and recognizer.change_state("cleanup")
    with pytest.raises(urllib.error.URLError):
        fetch(port, "/healthz")


def test_a_page_that_cannot_be_served_is_a_reason_not_to_be_configured(start_recognizer, quick, port):
    with socket.create_server(("127.0.0.1", port)):
        recognizer = start_recognizer({**quick, "web": True, "web_port": port})
        recognizer.process.wait_for_log("cannot be used")
        assert recognizer.state() == "unconfigured"
