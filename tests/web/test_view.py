import asyncio
import threading

import cv2
import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import FemoError
from femo_jax.web import view as module
from femo_jax.web.view import LiveView, ViewedFrame

from .conftest import publish


def test_the_newest_frame_replaces_the_one_before():
    view = LiveView("clip.mp4", EMOTIONS)
    assert view.newest is None
    publish(view)
    publish(view, label="sad")
    assert view.newest.number == 2
    assert view.newest.record["faces"][0]["label"] == "sad"
    assert view.newest.record["class_names"] == list(EMOTIONS)


def test_a_picture_is_encoded_once_for_all(monkeypatch):
    calls = []

    def draw():
        calls.append(1)
        return np.zeros((8, 8, 3), np.uint8)

    frame = ViewedFrame(1, {}, draw)
    pictures = []
    threads = [threading.Thread(target=lambda: pictures.append(frame.jpeg())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), len(set(pictures)), len(pictures)) == (1, 1, 8)
    assert cv2.imdecode(np.frombuffer(pictures[0], np.uint8), cv2.IMREAD_COLOR).shape == (8, 8, 3)


def test_a_picture_that_cannot_be_encoded_fails_for_all():
    frame = ViewedFrame(1, {}, lambda: np.zeros((70_000, 1, 3), np.uint8))  # JPEG has 65,535 rows at most
    for _ in range(2):
        with pytest.raises((FemoError, cv2.error)):
            frame.jpeg()


def test_a_client_that_is_slow_gets_the_newest_frame_only(run):
    async def look():
        view = LiveView("clip.mp4", EMOTIONS)
        view.attach()
        for value in range(5):
            publish(view, value)
        return (await view.after(0, 60)).number, await view.after(5, 0.01)

    assert run(look()) == (5, None)


def test_clients_wait_for_a_frame_of_another_thread(run):
    async def look():
        view = LiveView("clip.mp4", EMOTIONS)
        view.attach()
        waiting = [asyncio.ensure_future(view.after(0, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        threading.Thread(target=publish, args=(view,)).start()
        return [frame.number for frame in await asyncio.gather(*waiting)]

    assert run(look()) == [1, 1, 1]


def test_clients_are_let_go_at_the_end(run):
    async def look():
        view = LiveView("clip.mp4", EMOTIONS)
        view.attach()
        waiting = asyncio.ensure_future(view.after(0, 60))
        await asyncio.sleep(0)
        threading.Thread(target=view.close).start()
        return await waiting

    assert run(look()) is None


def test_the_status_follows_the_source(monkeypatch):
    view = LiveView("camera 0", EMOTIONS)
    assert view.status()["state"] == "starting"
    publish(view)
    assert view.status() == {"state": "live", "message": ""}
    later = module.time.monotonic() + 7
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert view.status()["state"] == "waiting"
    assert "No frame for 7 s" in view.status()["message"]
    view.report_problem("camera 0: gone.")
    assert view.status() == {"state": "waiting", "message": "camera 0: gone."}
    publish(view)
    assert view.status()["state"] == "live"
    view.end()
    assert view.status()["state"] == "ended"
    assert LiveView(None, EMOTIONS).status()["state"] == "no source"
