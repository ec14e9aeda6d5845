import numpy as np
import pytest

from femo_jax import intervals, read_log
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.report.intervals import aggregate, summarize
from femo_jax.report.log import load_log

from .conftest import SCRIPT, face_entry, frame_line


def test_intervals_end_where_the_label_or_its_certainty_changes(two_faces):
    found = [
        (each.person, each.label, each.uncertain, round(each.start, 3), round(each.end, 3))
        for each in intervals(two_faces)
    ]
    assert found == [
        (1, "happy", False, 0.0, 4.0),
        (1, "happy", True, 4.0, 5.0),
        (1, "sad", False, 5.0, 10.0),
        (2, "neutral", False, 6.0, 8.0),
    ]


def test_a_path_a_log_and_a_table_have_the_same_intervals(two_faces):
    assert intervals(two_faces) == intervals(load_log(two_faces)) == intervals(read_log(two_faces))


def test_a_gap_ends_an_interval(write_log):
    times = [0.0, 0.1, 0.2, 5.0, 5.1]
    path = write_log(*(frame_line(index, [face_entry("sad")], time) for index, time in enumerate(times)))
    assert [(each.start, pytest.approx(each.end)) for each in intervals(path)] == [(0.0, 0.3), (5.0, 5.2)]


def test_a_log_without_faces_has_no_intervals(write_log):
    log = load_log(write_log(frame_line(0, [])))
    assert intervals(log) == summarize(log) == aggregate(log, 1.0) == []


def test_shares_and_transitions(two_faces):
    first, second = summarize(load_log(two_faces))
    assert first.seconds == pytest.approx(10)
    assert first.shares["happy"] == pytest.approx(0.4)
    assert first.shares["sad"] == pytest.approx(0.5)
    assert first.uncertain == pytest.approx(0.1)
    assert sum(first.shares.values()) + first.uncertain == pytest.approx(1)
    assert [*first.shares] == [*EMOTIONS]
    assert first.transitions == {("happy", "sad"): 1}
    assert (second.start, second.transitions) == (6.0, {})


def test_a_single_frame_has_shares(write_log):
    (summary,) = summarize(load_log(write_log(frame_line(0, [face_entry("fear")]))))
    assert (summary.seconds, summary.shares["fear"]) == (0.0, 1.0)


def test_averages_over_steps(two_faces):
    steps = aggregate(load_log(two_faces), 2.0)
    assert [(each.person, each.start, each.label) for each in steps] == [
        (1, 0.0, "happy"),
        (1, 2.0, "happy"),
        (1, 4.0, "happy"),
        (1, 6.0, "sad"),
        (1, 8.0, "sad"),
        (2, 6.0, "neutral"),
    ]
    mixed = steps[2]
    assert mixed.uncertain == pytest.approx(0.5)
    assert mixed.probabilities[EMOTIONS.index("happy")] == pytest.approx((0.8 + 0.2 / 6) / 2)
    np.testing.assert_allclose([each.probabilities.sum() for each in steps], 1)


@pytest.mark.parametrize("every", [0.0, -1.0, float("nan"), 1e-6])
def test_steps_that_make_no_sense_are_refused(two_faces, every):
    with pytest.raises(ConfigError, match="steps of"):
        aggregate(load_log(two_faces), every)


def test_the_intervals_of_a_scripted_clip_are_those_of_its_script(scripted_log):
    found = [each for each in intervals(scripted_log) if not each.uncertain]
    assert [each.label for each in found] == [emotion.label for emotion, _ in SCRIPT]
    ends = np.cumsum([seconds for _, seconds in SCRIPT])
    for interval, start, end in zip(found, [0, *ends[:-1]], ends, strict=True):
        assert 0 <= interval.start - start < 0.5
        assert abs(interval.end - end) < 0.5


def test_the_shares_of_a_scripted_clip_are_those_of_its_script(scripted_log):
    (summary,) = summarize(load_log(scripted_log))
    whole = sum(seconds for _, seconds in SCRIPT)
    for emotion, seconds in SCRIPT:
        assert summary.shares[emotion.label] == pytest.approx(seconds / whole, abs=0.02)
