import numpy as np
import pytest

from femo_jax.live.image import Box
from femo_jax.live.playing.summary import FpsMeter, Summary
from femo_jax.live.results import FaceEmotion, FrameResult


def test_nothing_is_known_before_the_first_frames():
    meter = FpsMeter()
    assert (meter.frames_per_second, meter.latency_ms) == (None, None)
    meter.update(5.0, 30.0)
    assert (meter.frames_per_second, meter.latency_ms) == (None, 30.0)


def test_rate_and_latency_are_those_of_the_last_second():
    meter = FpsMeter()
    for frame in range(100):
        meter.update(frame / 10, 80.0)
    for frame in range(60):
        meter.update(10 + frame / 30, 20.0)
    assert meter.frames_per_second == pytest.approx(30)
    assert meter.latency_ms == pytest.approx(20)


def test_unsteady_frames_give_a_steady_rate():
    meter = FpsMeter()
    rates = []
    for frame in range(120):
        meter.update(frame / 30 + (0.012 if frame % 2 else 0.0), 20.0)
        rates.append(meter.frames_per_second)
    assert max(rates[60:]) - min(rates[60:]) < 1.0


def test_frames_slower_than_a_second():
    meter = FpsMeter()
    for frame in range(5):
        meter.update(4.0 * frame, 20.0)
    assert meter.frames_per_second == pytest.approx(0.25)


def test_a_pause_is_forgotten_with_the_next_frames():
    meter = FpsMeter()
    for frame in range(10):
        meter.update(frame / 10, 20.0)
    for frame in range(5):
        meter.update(60 + frame / 10, 20.0)
    assert meter.frames_per_second == pytest.approx(10)


def frame(*track_ids, detection_ms=10.0, inference_ms=1.0):
    faces = [FaceEmotion(Box(0, 0, 9, 9), "happy", 1.0, np.eye(7, dtype=np.float32)[3], number) for number in track_ids]
    return FrameResult(faces, 0.0, 640, 480, detection_ms, inference_ms, full_scan=True)


def test_a_run_without_frames():
    assert str(Summary()) == "frames     0 in 0.0 s\nfaces      0"


def test_tracked_faces_count_once():
    summary = Summary()
    for result in (frame(1), frame(1, 2), frame(), frame(2), frame(3)):
        summary.add(result)
    assert (summary.frames, summary.faces) == (5, 3)


def test_faces_of_single_images_all_count():
    summary = Summary()
    for result in (frame(None, None), frame(None)):
        summary.add(result)
    assert summary.faces == 3


def test_times_are_median_and_95th_percentile():
    summary = Summary()
    for number in range(101):
        summary.add(frame(detection_ms=float(number), inference_ms=number / 10))
    summary.seconds, summary.dropped = 4.0, 1200
    assert str(summary).splitlines() == [
        "frames     101 in 4.0 s (25.2 a second), 1,200 dropped",
        "faces      0",
        "detection  median 50.0 ms, 95th percentile 95.0 ms",
        "inference  median 5.0 ms, 95th percentile 9.5 ms",
    ]


def test_a_long_run_does_not_grow():
    summary = Summary()
    result = frame(1)
    for _ in range(30_000):
        summary.add(result)
    assert len(summary._times) == 10_000
