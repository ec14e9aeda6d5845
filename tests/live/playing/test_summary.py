import numpy as np

from femo_jax.live.image import Box
from femo_jax.live.playing.summary import Summary
from femo_jax.live.results import FaceEmotion, FrameResult


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


def test_faces_of_single_pictures_all_count():
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
