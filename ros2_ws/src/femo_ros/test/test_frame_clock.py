import pytest
from femo_ros.frame_clock import FrameClock


def times(*frames):
    """The times of frames given as (stamp, arrival)."""
    clock = FrameClock()
    return [clock.time(*frame) for frame in frames]


def test_stamps_are_the_time():
    assert times((1000.0, 5.0), (1000.1, 5.3), (1000.2, 5.31)) == [1000.0, 1000.1, 1000.2]


def test_without_stamps_arrival_is_the_time():
    assert times((0.0, 5.0), (0.0, 5.3), (0.0, 5.4)) == pytest.approx([5.0, 5.3, 5.4])


def test_a_stamp_that_stands_still_goes_on_with_arrival():
    assert times((1000.0, 5.0), (1000.0, 5.1), (1000.0, 5.2)) == pytest.approx([1000.0, 1000.1, 1000.2])


def test_a_missing_stamp_between_others_goes_on_with_arrival():
    assert times((1000.0, 5.0), (0.0, 5.1), (1000.2, 5.2)) == pytest.approx([1000.0, 1000.1, 1000.2])


def test_a_first_frame_without_stamp_does_not_hide_the_stamps_of_the_others():
    assert times((0.0, 50_000.0), (1.0, 50_000.5), (2.0, 50_001.0), (2.5, 50_001.2)) == [50_000.0, 1.0, 2.0, 2.5]


def test_a_first_stamp_before_the_time_of_arrival_is_told():
    clock = FrameClock()
    clock.time(0.0, 50_000.0)
    assert clock.time(1.0, 50_000.5) == 1.0
    assert clock.went_back == 49_999.0
    clock.time(1.1, 50_000.6)
    assert clock.went_back == 0.0


def test_a_coarse_clock_does_not_go_back():
    frames = [(1000.0 + arrival // 1, arrival * 1.01) for arrival in (step / 10 for step in range(40))]
    found = times(*frames)
    assert found == sorted(found)
    assert found[-1] == pytest.approx(1003.95, abs=0.1)


def test_a_stamp_that_jumps_back_takes_the_time_back():
    clock = FrameClock()
    assert clock.time(1000.0, 5.0) == 1000.0
    assert clock.went_back == 0
    assert clock.time(400.0, 5.1) == 400.0
    assert clock.went_back == 600.0
    assert clock.time(400.1, 5.2) == 400.1
    assert clock.went_back == 0
