import gc
import itertools
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from femo_jax.emotions import Emotion
from femo_jax.live.config import TrackConfig
from femo_jax.live.following import CarriedFace
from femo_jax.live.image import Box, DetectedFace
from femo_jax.live.results import FaceEmotion
from femo_jax.live.tracking import Tracker

WIDTH, HEIGHT = 1280, 720
FRAME = 1 / 30


def face(x: float, y: float = 100.0, size: float = 100.0) -> Box:
    return Box(x, y, size, size)


def one(emotion: Emotion, probability: float = 0.8) -> np.ndarray:
    probabilities = np.full(7, (1 - probability) / 6, np.float32)
    probabilities[emotion] = probability
    return probabilities


def show(tracker: Tracker, time: float, found: list[Box], emotion: Emotion = Emotion.HAPPY) -> list[FaceEmotion]:
    """A frame in which all found faces show one emotion."""
    sightings = tracker.associate(time, found)
    tracker.observe(sightings, np.array([one(emotion)] * len(found)).reshape(-1, 7))
    return tracker.faces(WIDTH, HEIGHT)


def ids(faces: list[FaceEmotion]) -> list[int | None]:
    return [face.track_id for face in faces]


def with_track(config: TrackConfig | None = None) -> Tracker:
    """A tracker with track 1, seen for a second until time 0."""
    tracker = Tracker(config or TrackConfig())
    for time in np.arange(-1, FRAME / 2, FRAME):
        show(tracker, float(time), [face(100)])
    return tracker


# Numbers


def test_a_face_is_shown_after_the_sightings_asked_for():
    tracker = Tracker(TrackConfig(min_hits=3))
    assert show(tracker, 0.0, [face(100)]) == []
    assert show(tracker, 0.1, [face(100)]) == []
    assert ids(show(tracker, 0.2, [face(100)])) == [1]


def test_a_face_may_be_shown_at_once():
    assert ids(show(Tracker(TrackConfig(min_hits=1)), 0.0, [face(100), face(300)])) == [1, 2]


def test_what_is_never_born_leaves_no_gap_in_the_numbers():
    tracker = with_track()
    for frame in range(1, 40):
        # A false face now and then, each time somewhere else.
        false = [face(300 + 20 * frame, 500)] if frame % 2 else []
        show(tracker, frame * FRAME, [face(100), *false])
    show(tracker, 40 * FRAME, [face(100), face(600)])
    assert ids(show(tracker, 41 * FRAME, [face(100), face(600)])) == [1, 2]


def test_a_miss_ends_what_is_not_born():
    tracker = Tracker(TrackConfig(min_hits=2))
    show(tracker, 0.0, [face(100)])
    show(tracker, 0.1, [])
    assert tracker.boxes() == []
    assert show(tracker, 0.2, [face(100)]) == []


def test_numbers_follow_faces_that_are_found_in_another_order():
    tracker = Tracker(TrackConfig())
    for time in (0.0, 0.1):
        show(tracker, time, [face(100), face(300)])
    faces = show(tracker, 0.2, [face(305), face(105)])
    assert [(face.track_id, face.box.x) for face in faces] == [
        (1, pytest.approx(103, abs=3)),
        (2, pytest.approx(303, abs=3)),
    ]


def test_a_short_miss_keeps_number_and_box():
    tracker = with_track(TrackConfig(max_age_ms=600))
    before = tracker.faces(WIDTH, HEIGHT)
    for time in (0.1, 0.3, 0.59):
        faces = show(tracker, time, [])
        assert ids(faces) == [1]
        assert faces[0].box == before[0].box
        assert faces[0].age == pytest.approx(1 + time)
        assert tracker.boxes() == [face(100)]
    assert ids(show(tracker, 0.65, [face(110)])) == [1]


def test_a_long_miss_ends_a_track():
    tracker = with_track(TrackConfig(max_age_ms=600))
    assert show(tracker, 0.61, []) == []
    assert tracker.boxes() == []
    show(tracker, 0.7, [face(100)])
    assert ids(show(tracker, 0.8, [face(100)])) == [2]


def test_a_carried_box_moves_a_track_and_does_not_make_it_live_longer():
    tracker = with_track(TrackConfig(max_age_ms=300))
    for time in (0.05, 0.1, 0.15, 0.2):
        (shown,) = show(tracker, time, [CarriedFace(*face(100 + 200 * time))])
    assert shown.box.x > 110
    assert ids(show(tracker, 0.29, [])) == [1]
    assert show(tracker, 0.31, []) == []


def test_a_carried_box_is_not_one_of_the_sightings_before_a_track_is_shown():
    tracker = Tracker(TrackConfig(min_hits=3))
    show(tracker, 0.0, [face(100)])
    show(tracker, 0.1, [face(100)])
    assert tracker.born() == []
    assert show(tracker, 0.2, [CarriedFace(*face(100))]) == []
    assert ids(show(tracker, 0.3, [face(100), face(400)])) == [1]
    assert tracker.born() == [face(100)] and tracker.boxes() == [face(100), face(400)]


def test_slow_frames_are_no_miss():
    tracker = Tracker(TrackConfig(max_age_ms=600))
    for time in range(5):
        faces = show(tracker, float(time), [face(100 + 10 * time)])
    assert ids(faces) == [1]


@pytest.mark.parametrize("rate", [5, 15, 30])
def test_faces_that_pass_each_other_keep_their_numbers(rate):
    tracker = Tracker(TrackConfig())
    for frame in range(4 * rate):
        way = 200 * frame / rate  # two box widths a second each
        upper, lower = face(100 + way, 100), face(900 - way, 200)
        found = [upper, lower] if frame % 2 else [lower, upper]
        faces = show(tracker, frame / rate, found)
    assert [(face.track_id, face.box.y) for face in faces] == [(1, 100), (2, 200)]
    assert tracker.boxes() == [lower, upper]


@pytest.mark.parametrize("rate", [10, 15, 30])
@pytest.mark.parametrize("size", [100.0, 110.0])
def test_a_face_that_walks_before_another_keeps_its_number_and_its_emotion(rate, size):
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackConfig())
    for frame in range(4 * rate):
        resting = face(600 + rng.normal(), 300 + rng.normal())
        walking = face(300 + 220 * max(frame / rate - 1, 0), 300 + 0.1 * size + rng.normal(), size)
        hides = abs(walking.x - resting.x) < 50
        found = [walking] if hides else [walking, resting]
        sightings = tracker.associate(frame / rate, found)
        tracker.observe(sightings, np.array([one(Emotion.HAPPY), one(Emotion.SAD)][: len(found)]))
    walker, rester = sorted(tracker.faces(WIDTH, HEIGHT), key=lambda shown: -shown.box.x)
    assert (walker.track_id, walker.label) == (1, "happy")
    assert (rester.track_id, rester.label) == (2, "sad")


@pytest.mark.parametrize("distance", [52, 60, 66])
def test_faces_that_overlap_and_are_missed_in_turn_keep_their_numbers(distance):
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackConfig())
    places = [face(100), face(100 + distance)]
    for frame in range(300):
        found = [place for place in places if frame < 5 or rng.random() > 0.15]
        show(tracker, frame * FRAME, found)
    faces = show(tracker, 10.0, places)
    assert [(shown.track_id, shown.box) for shown in faces] == [(1, places[0]), (2, places[1])]


def test_a_face_that_steps_before_another_and_stays_keeps_its_number():
    tracker = Tracker(TrackConfig(max_age_ms=2000))
    for frame in range(60):
        steps = face(100 + 9 * min(frame, 32))
        faces = show(tracker, frame * FRAME, [steps] if steps.x > 350 else [face(400), steps])
    assert ids(faces) == [2]


@pytest.mark.parametrize("seed", range(5))
def test_wandering_faces_keep_their_numbers(seed):
    """Faces that wander in lanes of their own, each missed in a tenth of the frames, found in any order."""
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackConfig())
    x = np.full(5, 500.0)
    number_of_lane = {}
    for frame in range(600):
        x += 100 * 0.3 * FRAME**0.5 * rng.standard_normal(5)
        lanes = [lane for lane in rng.permutation(5) if frame < 5 or rng.random() > 0.1]
        jitter = rng.normal(0, 3, (5, 2))
        show(tracker, frame * FRAME, [face(x[lane] + jitter[lane, 0], 130 * lane + jitter[lane, 1]) for lane in lanes])
        for shown in tracker.faces(10_000, 10_000):
            lane = round(shown.box.y / 130)
            assert number_of_lane.setdefault(lane, shown.track_id) == shown.track_id
    assert sorted(number_of_lane.values()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", range(3))
def test_faces_that_are_found_later_in_a_frame_have_the_same_tracks(seed):
    """Whichever faces come later, and also where some are missed or come back."""
    rng = np.random.default_rng(seed)
    together, in_two = Tracker(TrackConfig()), Tracker(TrackConfig())
    numbers = set()
    for step in range(200):
        boxes = [face(100 + 250 * number + 60 * math.sin(step / 20 + number)) for number in range(4)]
        boxes = [box for box in boxes if rng.random() > 0.1]
        later = rng.random(len(boxes)) < 0.3
        first, second = ([box for box, is_later in zip(boxes, later, strict=True) if is_later == of] for of in (0, 1))
        expected = show(together, step * FRAME, boxes)
        for sightings in (in_two.associate(step * FRAME, first), in_two.associate_more(second)):
            in_two.observe(sightings, np.array([one(Emotion.HAPPY)] * len(sightings)).reshape(-1, 7))
        faces = sorted(in_two.faces(WIDTH, HEIGHT), key=lambda face: face.box)
        expected.sort(key=lambda face: face.box)
        assert [face.box for face in faces] == [face.box for face in expected]
        numbers |= set(zip(ids(faces), ids(expected), strict=True))
    assert len(numbers) == len({here for here, _ in numbers}) == len({there for _, there in numbers}) >= 4


def test_the_same_frames_give_the_same_result():
    def run() -> list[dict]:
        rng = np.random.default_rng(0)
        tracker = Tracker(TrackConfig())
        logs = []
        for frame in range(200):
            found = [face(*rng.uniform(0, 1000, 2)) for _ in range(rng.integers(0, 8))]
            logs += [face.as_dict() for face in show(tracker, frame * FRAME, found)]
        return logs

    assert run() == run()


def test_two_tracks_on_one_face_become_one():
    tracker = Tracker(TrackConfig())
    for frame in range(10):
        show(tracker, frame * FRAME, [face(100), face(400)])
    for frame in range(10, 20):
        show(tracker, frame * FRAME, [face(100), face(400 - 30 * (frame - 9))])
    for frame in range(20, 40):
        # Now one face, found by turns nearer to where the one and the other track was last found.
        faces = show(tracker, frame * FRAME, [face(100 + 3 * (frame % 2))])
    assert ids(faces) == [1]
    assert len(tracker.boxes()) == 1


def test_faces_that_overlap_for_a_moment_remain_two():
    tracker = Tracker(TrackConfig())
    for frame in range(180):
        # They pass each other slowly, nearly at the same height, and then back again.
        way = 2 * abs(frame - 90) - 60
        faces = show(tracker, frame * FRAME, [face(500 + way, 100), face(500 - way, 104)])
    assert ids(faces) == [1, 2]


def test_a_track_that_was_ended_may_still_be_observed():
    tracker = with_track()
    sightings = tracker.associate(0.1, [face(100)])
    tracker.reset()
    tracker.observe(sightings, one(Emotion.SAD)[None])
    assert tracker.faces(WIDTH, HEIGHT) == []


# Time


@pytest.mark.parametrize("time", [-0.5, -1e6, 60.1])
def test_a_jump_of_time_ends_all_tracks_and_uses_no_number_twice(time):
    tracker = with_track()
    assert show(tracker, time, [face(100)]) == []
    assert ids(show(tracker, time + 0.1, [face(100)])) == [2]


def test_after_a_gap_in_the_stream_a_face_in_the_same_place_is_another():
    tracker = with_track()
    assert show(tracker, 5.0, [face(100)]) == []
    assert ids(show(tracker, 5.0 + FRAME, [face(100)])) == [2]


@pytest.mark.parametrize(("gap", "max_age_ms"), [(1.9, 600.0), (5.0, 6000.0)])
def test_a_stall_or_a_gap_as_long_as_a_face_may_be_lost_ends_no_track(gap, max_age_ms):
    assert ids(show(with_track(TrackConfig(max_age_ms=max_age_ms)), gap, [face(100)])) == [1]


@pytest.mark.parametrize("period", [2.5, 59.0])
def test_a_slow_camera_has_no_gaps(period):
    tracker = Tracker(TrackConfig())
    for number in range(4):
        show(tracker, number * period, [face(100)])
    assert ids(show(tracker, 4 * period, [face(100)])) == [1]


def test_reset_forgets_the_tracks_and_uses_no_number_twice():
    tracker = with_track()
    tracker.reset()
    assert tracker.boxes() == []
    show(tracker, -5.0, [face(100)])
    assert ids(show(tracker, -4.9, [face(100)])) == [2]


def test_trackers_may_share_their_numbers():
    numbers = itertools.count(1)
    shown = []
    for tracker in (Tracker(TrackConfig(), numbers=numbers), Tracker(TrackConfig(), numbers=numbers)):
        show(tracker, 0.0, [face(100)])
        shown += ids(show(tracker, 0.1, [face(100)]))
    assert shown == [1, 2]


def test_score_and_landmarks_are_those_of_the_last_sighting():
    tracker = with_track()
    points = np.arange(10.0).reshape(5, 2)
    (shown,) = show(tracker, 0.1, [DetectedFace.of(face(100), 0.9, points)])
    assert shown.score == 0.9
    np.testing.assert_array_equal(shown.landmarks, points)
    (hidden,) = show(tracker, 0.2, [])
    assert hidden.score == 0.9
    assert hidden.landmarks is None  # they are no longer where they were
    (plain,) = show(tracker, 0.3, [face(100)])
    assert plain.score is None and plain.landmarks is None


def test_a_sighting_has_the_filtered_box_and_the_landmarks_of_the_frame():
    """By which its crop is turned upright."""
    tracker = Tracker(TrackConfig())
    for number in range(3):
        points = np.arange(10.0).reshape(5, 2) + number
        box = Box(100 + 5 * number, 100, 50, 50)
        (sighting,) = tracker.associate(0.1 * number, [DetectedFace.of(box, 0.9, points)])
        assert isinstance(sighting.box, DetectedFace) and sighting.box.score == 0.9
        np.testing.assert_array_equal(sighting.box.landmarks, points)
    assert 105 < sighting.box.x < 110  # filtered
    (plain,) = tracker.associate(0.3, [Box(115, 100, 50, 50)])
    assert not isinstance(plain.box, DetectedFace)


def test_two_frames_of_one_time():
    tracker = with_track()
    for shift in (0, 5, 0):
        (shown,) = show(tracker, 0.0, [face(100 + shift)], Emotion.SAD)
    assert shown.box == face(100)
    assert np.isfinite(shown.probabilities).all()
    (shown,) = show(tracker, 0.1, [face(100)])
    assert shown.box.x == pytest.approx(100, abs=2)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_refused(time):
    with pytest.raises(ValueError, match="finite"):
        Tracker(TrackConfig()).associate(time, [])


# Boxes


@pytest.mark.parametrize("size", [40.0, 400.0])
def test_a_resting_box_is_steady_whatever_its_size(size):
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackConfig(min_hits=1))
    found, filtered = [], []
    for frame in range(600):
        dx, dy, growth = 0.03 * size * rng.standard_normal(3)
        found.append(Box(600 + dx - growth / 2, 300 + dy - growth / 2, size + growth, size + growth))
        (sighting,) = tracker.associate(frame * FRAME, [found[-1]])
        filtered.append(sighting.box)
    jitter, steadied = (np.std(np.array(boxes)[30:], axis=0) for boxes in (found, filtered))
    assert (jitter > 2.4 * steadied).all()


@pytest.mark.parametrize("rate", [5, 15, 30, 60])
@pytest.mark.parametrize("size", [40.0, 400.0])
def test_a_moving_box_lags_less_than_a_tenth_of_its_size(size, rate):
    tracker = Tracker(TrackConfig(min_hits=1))
    for frame in range(3 * rate):
        box = face(size * max(frame / rate - 1, 0), 100, size)  # one box a second, after a second of rest
        (sighting,) = tracker.associate(frame / rate, [box])
        assert abs(sighting.box.x - box.x) < 0.1 * size


def test_sightings_come_in_the_order_of_the_boxes():
    tracker = with_track()
    first, second, third = tracker.associate(0.1, [face(500), face(100), face(800)])
    assert (first.box, third.box) == (face(500), face(800))
    again = tracker.associate(0.2, [face(800), face(500), face(100)])
    assert [sighting.key for sighting in again] == [third.key, first.key, second.key]


def test_faces_lie_inside_the_frame_on_whole_pixels():
    tracker = Tracker(TrackConfig(min_hits=1))
    (shown,) = show(tracker, 0.0, [Box(1200.4, -20.2, 100, 100)])
    assert shown.box == (1200, 0, 80, 80)
    assert all(type(value) is int for value in shown.box)


def test_a_face_outside_a_frame_that_shrank_is_not_shown():
    tracker = with_track()
    assert tracker.faces(90, 90) == []
    assert ids(tracker.faces(150, 150)) == [1]


def leaving(tracker: Tracker, direction: tuple[float, float]) -> tuple[Box, float]:
    """Shows a face that moves to an edge by two boxes a second; gives its last box, all inside, and the time then."""
    box, time = face(WIDTH / 2, HEIGHT / 2), 0.0
    while 0 <= box.x <= WIDTH - box.w and 0 <= box.y <= HEIGHT - box.h:
        last, last_time = box, time
        show(tracker, time, [box])
        time += FRAME
        box = box._replace(x=box.x + 200 * FRAME * direction[0], y=box.y + 200 * FRAME * direction[1])
    return last, last_time


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_face_that_left_the_frame_is_not_shown_at_its_edge(direction):
    tracker = Tracker(TrackConfig(max_age_ms=600))
    last, time = leaving(tracker, direction)
    assert ids(show(tracker, time + FRAME, [])) == [1]
    assert show(tracker, time + 0.25, []) == []
    assert ids(show(tracker, time + 0.5, [last])) == [1]


def test_a_face_that_is_hidden_on_its_way_through_the_frame_is_shown_still():
    tracker = Tracker(TrackConfig(max_age_ms=600))
    for frame in range(30):
        show(tracker, frame * FRAME, [face(100 + 200 * frame * FRAME)])
    assert ids(show(tracker, 29 * FRAME + 0.55, [])) == [1]


def test_a_face_that_rests_at_the_edge_is_shown_through_misses():
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackConfig(max_age_ms=600))
    for frame in range(60):
        dx, dy = rng.normal(0, 3, 2)
        show(tracker, frame * FRAME, [face(WIDTH - 100 + dx, 100 + dy)])
    assert ids(show(tracker, 59 * FRAME + 0.55, [])) == [1]


# Emotions


@pytest.mark.parametrize("rate", [5, 15, 30, 60])
def test_a_new_emotion_is_shown_within_half_a_second(rate):
    tracker = Tracker(TrackConfig())
    for frame in range(3 * rate):
        show(tracker, frame / rate, [face(100)], Emotion.HAPPY)
    for frame in range(3 * rate, 6 * rate):
        (shown,) = show(tracker, frame / rate, [face(100)], Emotion.SAD)
        if shown.label == "sad":
            break
    # From the last frame with the old emotion on, the new one may have been there.
    assert (frame + 1) / rate - 3 < 0.5


def test_a_face_tells_what_was_smoothed():
    tracker = with_track()
    (shown,) = show(tracker, 0.1, [face(100)], Emotion.SAD)
    assert shown.label == "happy"
    assert shown.confidence == pytest.approx(shown.probabilities[Emotion.HAPPY])
    assert 0.5 < shown.confidence < 0.8
    assert shown.probabilities.dtype == np.float32
    assert shown.probabilities.sum() == pytest.approx(1)
    assert shown.age == pytest.approx(1.1)
    assert type(shown.track_id) is int


def test_each_face_has_its_own_emotion():
    tracker = Tracker(TrackConfig(min_hits=1))
    sightings = tracker.associate(0.0, [face(100), face(400)])
    tracker.observe(sightings[::-1], np.array([one(Emotion.SAD), one(Emotion.FEAR)]))
    assert [face.label for face in tracker.faces(WIDTH, HEIGHT)] == ["fear", "sad"]


def test_an_emotion_stays_while_its_face_is_not_observed():
    tracker = with_track()
    tracker.associate(0.1, [face(100)])
    tracker.observe([], np.zeros((0, 7)))
    assert [face.label for face in tracker.faces(WIDTH, HEIGHT)] == ["happy"]


def test_a_face_without_an_emotion_is_not_shown():
    tracker = Tracker(TrackConfig(min_hits=1))
    tracker.associate(0.0, [face(100)])
    assert tracker.faces(WIDTH, HEIGHT) == []


def test_a_face_is_uncertain_at_first_and_when_long_out_of_sight():
    tracker = Tracker(TrackConfig(uncertain_for_ms=200, max_age_ms=600))
    seen = {frame: show(tracker, frame * 0.05, [face(100)]) for frame in range(10)}
    assert [seen[frame][0].uncertain for frame in (1, 3, 5, 9)] == [True, True, False, False]
    assert not show(tracker, 0.7, [])[0].uncertain
    assert show(tracker, 0.8, [])[0].uncertain


@pytest.mark.parametrize("shape", [(7,), (2, 7), (1, 6), (0, 7)])
def test_probabilities_that_do_not_fit_are_refused(shape):
    tracker = Tracker(TrackConfig())
    sightings = tracker.associate(0.0, [face(100)])
    with pytest.raises(ValueError, match=r"expected \(1, 7\)"):
        tracker.observe(sightings, np.zeros(shape))


# Settings and long runs


def test_settings_change_for_living_tracks():
    tracker = with_track()
    tracker.config = replace(tracker.config, smoothing_ms=0.0, hysteresis=0.0, max_age_ms=5000.0)
    assert show(tracker, 0.1, [face(100)], Emotion.SAD)[0].label == "sad"
    assert ids(show(tracker, 5.0, [])) == [1]


def test_memory_is_flat_over_a_long_run():
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackConfig())

    def run(frames: range) -> int:
        for frame in frames:
            found = [face(*rng.uniform(0, 1000, 2)), face(*rng.uniform(0, 1000, 2))] if frame % 50 else []
            show(tracker, frame * FRAME, found)
        for frame in range(30):
            show(tracker, (frames.stop + frame) * FRAME, [])
        gc.collect()
        return sys.getallocatedblocks()

    run(range(500))
    before = run(range(1000, 1500))
    assert run(range(2000, 4000)) - before < 200


def test_many_faces_are_tracked():
    tracker = Tracker(TrackConfig())
    grid = [face(110.0 * column, 110.0 * row) for row in range(14) for column in range(15)]
    for frame in range(3):
        sightings = tracker.associate(frame * FRAME, grid)
        tracker.observe(sightings, np.array([one(Emotion.HAPPY)] * len(grid)))
    assert ids(tracker.faces(10_000, 10_000)) == list(range(1, len(grid) + 1))
