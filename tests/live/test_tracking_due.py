"""Which faces of a frame are classified."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest

from femo_jax.emotions import Emotion
from femo_jax.live.config import TrackConfig
from femo_jax.live.image import Box
from femo_jax.live.tracking import Tracker


def face(x: float, y: float = 100.0, size: float = 100.0) -> Box:
    return Box(x, y, size, size)


CROWD = [face(150 * column, 150 * row) for row in range(4) for column in range(4)]


def one(emotion: Emotion, probability: float = 0.8) -> np.ndarray:
    probabilities = np.full(7, (1 - probability) / 6, np.float32)
    probabilities[emotion] = probability
    return probabilities


def step(tracker: Tracker, time: float, found: Sequence[Box], emotion: Emotion = Emotion.HAPPY) -> list[int]:
    """A frame; the indices in `found` of the faces that were classified."""
    sightings = tracker.associate(time, found)
    due = tracker.due(sightings)
    tracker.observe(due, np.array([one(emotion)] * len(due)).reshape(-1, 7))
    keys = [sighting.key for sighting in sightings]
    return [keys.index(sighting.key) for sighting in due]


@pytest.mark.parametrize(
    ("rate", "every", "frames_between"), [(30, 100.0, 3), (60, 100.0, 6), (25, 200.0, 5), (30, 0.0, 1), (5, 100.0, 1)]
)
def test_a_resting_face_is_classified_once_in_the_time_asked_for(rate, every, frames_between):
    tracker = Tracker(TrackConfig(classify_every_ms=every))
    classified = [frame for frame in range(2 * rate) if step(tracker, 7 + frame / rate, [face(100)])]
    assert classified == list(range(0, 2 * rate, frames_between))


@pytest.mark.parametrize("count", [2, 5, 16])
def test_the_work_is_the_same_in_every_frame(count):
    tracker = Tracker(TrackConfig(classify_every_ms=100.0))
    classified = [step(tracker, frame / 30, CROWD[:count]) for frame in range(120)]
    assert classified[0] == list(range(count))  # new faces at once
    steady = [len(due) for due in classified[10:]]
    assert max(steady) - min(steady) <= 1
    assert sum(steady) == pytest.approx(110 * count / 3, abs=1)
    frames = defaultdict(list)
    for frame, due in enumerate(classified):
        for index in due:
            frames[index].append(frame)
    assert max(np.diff(each).max() for each in frames.values()) <= 4
    assert min(np.diff(each[3:]).min() for each in frames.values()) >= 2


def test_frames_that_come_unevenly_do_not_starve_a_face():
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackConfig(classify_every_ms=100.0))
    time, last, longest = 0.0, dict.fromkeys(range(16), 0.0), 0.0
    for _ in range(300):
        for index in step(tracker, time, CROWD):
            longest, last[index] = max(longest, time - last[index]), time
        time += rng.uniform(0.01, 0.09)
    assert longest <= 0.1 + 0.09 + 0.03


def test_a_new_face_is_classified_at_once_and_the_others_keep_their_turns():
    tracker = Tracker(TrackConfig(classify_every_ms=100.0))
    for frame in range(4):  # the third of which classifies the first face
        step(tracker, frame / 30, [face(100)])
    found = [face(100), face(400)]
    assert [step(tracker, frame / 30, found) for frame in range(4, 9)] == [[1], [0], [], [1], [0]]


@pytest.mark.parametrize(
    ("moved", "due"),
    [(face(140), []), (face(155), [0]), (face(100, 155), [0]), (face(70, 70, 160), [0]), (face(85, 85, 130), [])],
)
def test_a_face_that_moved_or_grew_by_more_than_half_its_width_is_classified_at_once(moved, due):
    tracker = Tracker(TrackConfig(classify_every_ms=1000.0))
    step(tracker, 0.0, [face(100)])
    assert step(tracker, 0.03, [face(100)]) == []
    assert step(tracker, 0.06, [moved]) == due


def test_slow_motion_adds_up():
    tracker = Tracker(TrackConfig(classify_every_ms=10_000.0))
    classified = [frame for frame in range(30) if step(tracker, frame / 30, [face(100 + 10 * frame)])]
    assert classified == [0, 6, 12, 18, 24]


def test_a_face_that_comes_back_into_sight_is_classified_at_once():
    tracker = Tracker(TrackConfig(classify_every_ms=100.0, max_age_ms=1000.0))
    for frame in range(10):
        step(tracker, frame / 30, [face(100)])
    for frame in range(10, 20):
        step(tracker, frame / 30, [])
    assert step(tracker, 20 / 30, [face(100)]) == [0]


def test_a_pause_has_all_faces_classified():
    tracker = Tracker(TrackConfig(classify_every_ms=100.0))
    for frame in range(10):
        step(tracker, frame / 30, CROWD)
    assert len(step(tracker, 1.0, CROWD)) == len(CROWD)


def test_a_clock_that_jumps_back_has_all_faces_classified():
    tracker = Tracker(TrackConfig(classify_every_ms=100.0))
    for time in (5.0, 5.1):
        step(tracker, time, CROWD)
    assert len(step(tracker, 1.0, CROWD)) == len(CROWD)
    assert step(tracker, 1.01, CROWD) == []


def test_another_time_holds_from_the_next_frame_on():
    tracker = Tracker(TrackConfig(classify_every_ms=10_000.0))
    assert [step(tracker, frame / 30, [face(100)]) for frame in range(3)] == [[0], [], []]
    tracker.config = TrackConfig(classify_every_ms=0.0)
    assert [step(tracker, frame / 30, [face(100)]) for frame in range(3, 6)] == [[0], [0], [0]]


def change_delay(config: TrackConfig, first: int) -> float:
    """Seconds from the first frame of another emotion, frame `first`, to the label that shows it, at 30 Hz."""
    tracker = Tracker(config)
    for frame in range(first + 60):
        step(tracker, frame / 30, [face(100)], Emotion.HAPPY if frame < first else Emotion.SAD)
        shown = tracker.faces(640, 480)
        if frame >= first and shown[0].label == "sad":
            return (frame - first) / 30
    raise AssertionError("the label never changed")


@pytest.mark.parametrize("first", range(60, 66))
def test_a_label_changes_within_half_a_second(first):
    """Whatever the turn of the face when its emotion changes."""
    assert change_delay(TrackConfig(), first) < 0.5
    every_frame = change_delay(TrackConfig(classify_every_ms=0.0), first)
    assert abs(change_delay(TrackConfig(), first) - every_frame) <= 0.1


def test_seldom_classified_faces_are_smoothed_over_the_time_that_passed():
    """The smoothed probabilities of a face that changed are those of a face that is classified in every frame."""
    shown = []
    for every in (0.0, 200.0):
        tracker = Tracker(TrackConfig(classify_every_ms=every, smoothing_ms=400.0))
        for frame in range(61 + 12):
            step(tracker, frame / 30, [face(100)], Emotion.HAPPY if frame <= 60 else Emotion.SAD)
        shown.append(tracker.faces(640, 480)[0].probabilities)
    np.testing.assert_allclose(shown[1], shown[0], atol=1e-3)
