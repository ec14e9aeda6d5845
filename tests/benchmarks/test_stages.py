"""Stages of recognition, on a short scene of the demo's face."""

import json
import time

import cv2
import numpy as np
import pytest
import stages
from skimage.data import astronaut
from stages import STAGES, Measured, Options, Stopwatch, summary

from femo_jax.errors import FemoError


def test_a_stage_within_another_counts_once(monkeypatch):
    now = iter([0.0, 1.0, 1.5, 2.0, 2.25, 3.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    look = watch.timed("close look", lambda face: face + 1)
    with watch.stage("scan"):
        assert [look(1), look(2)] == [2, 3]
    assert watch.milliseconds["close look"] == pytest.approx(750)
    assert watch.milliseconds["scan"] == pytest.approx(2250)
    watch.reset()
    assert set(watch.milliseconds.values()) == {0.0}


def test_medians_and_percentiles_are_over_the_frames_of_all_scenes():
    short = Measured(np.full((10, len(STAGES)), 2.0), cpu_ms=30.0, faces=1.0)
    long = Measured(np.full((30, len(STAGES)), 1.0), cpu_ms=10.0, faces=0.0)
    of = summary([short, long])
    assert of["frames"] == 40 and of["faces"] == 0.25 and of["cpu_ms"] == 15.0
    assert of["stages"]["decode"] == {"median_ms": 1.0, "p95_ms": 2.0, "mean_ms": 1.25}
    assert of["frame"]["median_ms"] == len(STAGES)
    assert of["recognition"]["mean_ms"] == pytest.approx(6 * 1.25)


def test_every_stage_of_a_frame_with_a_face_is_timed(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.ascontiguousarray(astronaut()[..., ::-1]))
    options = Options(clips=(tmp_path / "a.png",), json=tmp_path / "stages.json", rounds=2, image_frames=4)
    stages.main(options)
    report = json.loads(options.json.read_text())
    assert report["together"] == report["scenes"]["a.png"]
    assert report["together"]["faces"] == pytest.approx(0.75)  # shown from its second sighting on
    assert all(of["mean_ms"] > 0 for of in report["together"]["stages"].values())
    assert report["together"]["frame"]["mean_ms"] == pytest.approx(
        sum(of["mean_ms"] for of in report["together"]["stages"].values())
    )
    assert "a.png: 4 frames, 0.8 faces" in capsys.readouterr().out


def test_without_a_scene_there_is_nothing_to_measure(tmp_path):
    with pytest.raises(FemoError, match="nothing to measure"):
        stages.main(Options())
    with pytest.raises(FemoError, match="no images or clips"):
        stages.main(Options(scenes=tmp_path))
