"""The benchmark of several cameras: with a fake worker, and with the real one on two frames of the demo's face."""

import json
from pathlib import Path

import cameras
import cv2
import numpy as np
import pytest
from cameras import Frames, Options, further_cameras, measure_time
from cameras_worker import Cameras
from frames import SHAPE
from skimage.data import astronaut


class FakeWorker:
    """Takes 10 ms of processor time a frame; together, each further camera takes 4 ms."""

    def __init__(self):
        self.steps = {}

    def ask(self, do, *, offsets, together, first, count, **_):
        assert do == "run"
        self.steps.setdefault((len(offsets), together), []).extend(range(first, first + count))
        seconds = 0.010 + (len(offsets) - 1) * (0.004 if together else 0.010)
        return {"milliseconds": [1e3 * seconds] * count, "cpu_seconds": count * seconds, "faces": count * len(offsets)}


def test_every_camera_plays_every_frame_as_often(capsys):
    worker = FakeWorker()
    measured = measure_time(worker, Frames(Path("frames.raw"), 70), rounds=2)
    assert worker.steps.keys() == {(1, True), (2, True), (2, False), (4, True), (4, False)}
    for steps in worker.steps.values():
        assert steps == list(range(30 + 140))
    assert measured["together"]["4"]["cpu_ms"] == pytest.approx(22 / 4)
    assert measured["one_by_one"]["4"]["cpu_ms"] == pytest.approx(10)
    assert measured["together"]["2"]["faces"] == 1
    assert further_cameras(measured) == {
        "together": {"2": pytest.approx(4), "4": pytest.approx(4)},
        "one_by_one": {"2": pytest.approx(10), "4": pytest.approx(10)},
    }


def test_cameras_see_other_frames_at_the_same_time():
    offsets = Frames(Path("frames.raw"), 100).request(range(4), 0, 1, together=True)["offsets"]
    assert offsets == [0, 25, 50, 75]


@pytest.fixture
def raw(tmp_path):
    """Two frames: a face, and nothing."""
    face = np.zeros(SHAPE, np.uint8)
    face[:, :480] = cv2.resize(np.ascontiguousarray(astronaut()[..., ::-1]), (480, 480))
    np.stack([face, np.zeros(SHAPE, np.uint8)]).tofile(tmp_path / "frames.raw")
    return tmp_path / "frames.raw"


def test_the_worker_finds_as_many_faces_together_as_one_by_one(raw):
    worker = Cameras()
    replies = [
        worker.answer(
            {"do": "run", "offsets": [0, 2], "together": together, "path": str(raw), "shape": list(SHAPE)}
            | {"frames": 1, "first": 0, "count": 4}
        )
        for together in (True, False)
    ]
    assert [reply["faces"] for reply in replies] == [6, 6]  # shown from its second sighting on
    assert [len(reply["milliseconds"]) for reply in replies] == [4, 4]
    assert 50 < worker.answer({"do": "memory"})["mib"] < 20_000


@pytest.mark.integration
def test_the_whole_benchmark(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cameras, "MEMORY_STEPS", 2)
    monkeypatch.setattr(cameras, "BLOCK", 3)
    monkeypatch.setattr(cameras, "COUNTS", (1, 2))
    cv2.imwrite(str(tmp_path / "a.png"), np.ascontiguousarray(astronaut()[..., ::-1]))
    options = Options(scenes=tmp_path, json=tmp_path / "cameras.json", rounds=1, image_frames=4)
    cameras.main(options)
    report = json.loads(options.json.read_text())
    assert report["together"]["2"]["cpu_ms"] > 0
    assert report["memory_mib"]["one_process"]["2"] < report["memory_mib"]["a_process_each"]["2"]
    printed = capsys.readouterr().out
    assert "2, together" in printed
    assert "a process each" in printed
