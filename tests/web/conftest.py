"""What the tests of the server share: a recogniser that finds one face everywhere, and a site around it."""

import asyncio
import contextlib
from types import SimpleNamespace

import cv2
import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from femo_jax.emotions import EMOTIONS
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.results import FaceEmotion, FrameResult
from femo_jax.web import stills
from femo_jax.web.app import SettingsHolder, Site, create_app
from femo_jax.web.metrics import Metrics
from femo_jax.web.server import Address, serving
from femo_jax.web.settings import Settings
from femo_jax.web.stills import Limits, Stills
from femo_jax.web.view import LiveView


class OneFace:
    """A detector that finds the same face in every frame."""

    geometry = CropGeometry(scale=1.0, shift=0.0)
    box = Box(20, 10, 40, 40)

    def detect(self, image, *, still=True):
        return [self.box]

    def detect_near(self, image, boxes, window, scales):
        return list(boxes)


@pytest.fixture(scope="session")
def recognizer(random_model):
    return EmotionRecognizer(random_model, OneFace(), batch_sizes=(1,))


def result_of(label="happy", time=0.0, size=(96, 72)):
    """The result of a frame with one face."""
    probabilities = np.full(len(EMOTIONS), 0.05, np.float32)
    probabilities[EMOTIONS.index(label)] = 0.7
    face = FaceEmotion(OneFace.box, label, 0.7, probabilities, track_id=1, age=1.0)
    return FrameResult([face], time, *size, detection_ms=1.0, inference_ms=2.0, full_scan=True)


def publish(view, value=100, label="happy", size=(96, 72)):
    """Publishes a frame of one grey value."""
    view.publish(0, np.full((size[1], size[0], 3), value, np.uint8), result_of(label, size=size))


def picture(suffix=".png", size=(96, 72)):
    """An image file with noise."""
    image = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.fixture
def make_site(recognizer, monkeypatch):
    """Makes a site; limits are given by name."""
    monkeypatch.setattr(stills, "create_detector", lambda _: OneFace())

    def make(source="clip.mp4", token=None, changeable=True, engine=None, **limits):
        view, settings = LiveView(source, EMOTIONS), Settings()
        holder = SettingsHolder(settings, engine, changeable)
        return Site(view, Metrics(), Stills(recognizer, settings), holder, Limits(**limits), token, secure=False)

    return make


@pytest.fixture
def site(make_site):
    return make_site()


class _Client(TestClient):
    """Opens WebSockets of the same host as all else."""

    def websocket_connect(self, url, *arguments, **options):
        return super().websocket_connect(f"ws://localhost{url}", *arguments, **options)


@pytest.fixture
def make_client():
    """Makes a client that calls the application without a network."""
    with contextlib.ExitStack() as stack:
        yield lambda site, token=None: stack.enter_context(
            _Client(create_app(site, token), base_url="http://localhost", follow_redirects=False)
        )


@pytest.fixture
def client(site, make_client):
    return make_client(site)


@pytest.fixture
def serve():
    """Serves a site on a free port of this machine; gives its host, port and a client."""
    with contextlib.ExitStack() as stack:

        def start(site, token=None):
            address = Address("127.0.0.1", 0, token)
            listening = address.listen()
            port = listening.getsockname()[1]
            stack.enter_context(serving(site, address, listening))
            http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
            return SimpleNamespace(port=port, http=http, url=address.url)

        yield start


@pytest.fixture
def run():
    """Runs a coroutine."""
    return asyncio.run
