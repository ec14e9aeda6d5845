import threading
import time

import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import SourceError
from femo_jax.live.config import TrackConfig
from femo_jax.live.sources.frame import Frame
from femo_jax.signals import StopRequest
from femo_jax.web import engine as module
from femo_jax.web.engine import Engine
from femo_jax.web.metrics import Metrics
from femo_jax.web.settings import Settings
from femo_jax.web.view import LiveView

from .conftest import OneFace


class Source:
    """Frames of a clip or camera, after which it ends or breaks down."""

    frames_per_second = None

    def __init__(self, count=3, live=False, error=None, on_frame=lambda index: None):
        self.count, self.live, self.error, self.on_frame = count, live, error, on_frame
        self.dropped, self.closed = 0, False

    def __iter__(self):
        for index in range(self.count):
            self.on_frame(index)
            self.dropped += 2
            now = time.monotonic() if self.live else index / 1000
            yield Frame(index, now, np.full((72, 96, 3), 100 + index, np.uint8), "source")
        if self.error:
            raise SourceError(self.error)

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture
def stop():
    return StopRequest()


@pytest.fixture
def make(recognizer, monkeypatch):
    monkeypatch.setattr(module, "create_detector", lambda _: OneFace())
    monkeypatch.setattr(module, "_RETRY_AFTER", 0.0)

    def make(**options):
        view, metrics = LiveView("source", EMOTIONS), Metrics()
        return Engine(recognizer.with_detector(OneFace()), view, metrics, Settings(), **options), view, metrics

    return make


def stopping(stop, sources):
    """Opens sources one after the other, then requests the stop."""
    sources = iter(sources)

    def reopen():
        source = next(sources, None)
        if source is None:
            stop.signum = 2
            return Source(0)
        if isinstance(source, Exception):
            raise source
        return source

    return reopen


def test_a_clip_begins_again(make, stop):
    engine, view, metrics = make()
    first, second = Source(3), Source(2)
    engine.run(first, stopping(stop, [second]), stop)
    assert view.newest.number == 5
    assert first.closed and second.closed
    assert b"femo_frames_total 5.0" in metrics.text()
    assert b"femo_frames_dropped_total 10.0" in metrics.text()


def test_a_clip_that_is_played_once_stays_at_its_last_frame(make, stop):
    engine, view, _ = make(loop=False)
    thread = threading.Thread(target=engine.run, args=(Source(3), lambda: pytest.fail("opened again"), stop))
    thread.start()
    while view.status()["state"] != "ended":
        time.sleep(0.01)
    stop.signum = 2
    thread.join()
    assert view.newest.number == 3


def test_a_source_that_vanishes_comes_back(make, stop):
    engine, view, _ = make()
    states = []
    again = Source(2, live=True, on_frame=lambda index: states.append(view.status()))
    broken = Source(2, live=True, error="camera 0: gone.")
    engine.run(broken, stopping(stop, [SourceError("camera 0: still gone."), again]), stop)
    assert states[0]["state"] == "waiting"
    assert "still gone" in states[0]["message"]
    assert states[1]["state"] == "live"
    assert view.newest.number == 4


def test_frames_are_mirrored(make, stop, recognizer):
    engine, view, _ = make(mirror=True)
    shown = []
    view.publish = lambda index, image, result, **_: shown.append(image)

    class Slope(Source):
        def __iter__(self):
            yield Frame(0, 0.0, np.tile(np.arange(96, dtype=np.uint8)[:, None], (72, 1, 3)), "source")

    engine.run(Slope(), stopping(stop, []), stop)
    assert shown[0][0, 0, 0] == 95


def test_settings_hold_from_the_next_frame_on(make, stop):
    engine, view, _ = make()
    seen = []

    def change(index):
        if view.newest is not None:
            seen.append([face["id"] for face in view.newest.record["faces"]])
        if index == 2:
            engine.settings = engine.settings.updated({"track": {"min_hits": 1}, "detector": {"min_neighbors": 4}})

    engine.settings = Settings(track=TrackConfig(min_hits=100))
    engine.run(Source(5, on_frame=change), stopping(stop, []), stop)
    assert seen == [[], [], [1], [1]]
    assert [face["id"] for face in view.newest.record["faces"]] == [1]


def test_without_a_source_it_waits_for_the_end(make, stop):
    engine, view, _ = make()
    thread = threading.Thread(target=engine.run, args=(None, lambda: pytest.fail("opened"), stop))
    thread.start()
    assert thread.is_alive()
    stop.signum = 15
    thread.join()
    assert view.newest is None
