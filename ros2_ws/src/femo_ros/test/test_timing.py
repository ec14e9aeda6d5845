import pytest
from femo_ros.timing import FrameClock, Pairs, of_one_clock

RESTART_AFTER = 0.6


def times(*frames):
    """Times of frames given as (stamp, arrival), since the first one; no restart may be reported."""
    clock = FrameClock()
    found = []
    for stamp, arrival in frames:
        found.append(clock.time(stamp, arrival, RESTART_AFTER))
        assert clock.went_back == 0
    return found


def test_stamps_are_the_time():
    assert times((1000.0, 5.0), (1000.1, 5.3), (1000.2, 5.31)) == pytest.approx([0.0, 0.1, 0.2])


def test_without_stamps_arrival_is_the_time():
    assert times((0.0, 5.0), (0.0, 5.3), (0.0, 5.4)) == pytest.approx([0.0, 0.3, 0.4])


def test_a_stamp_that_stands_still_goes_on_with_arrival():
    assert times((1000.0, 5.0), (1000.0, 5.1), (1000.0, 5.2)) == pytest.approx([0.0, 0.1, 0.2])


def test_a_missing_stamp_between_others_goes_on_with_arrival():
    assert times((1000.0, 5.0), (0.0, 5.1), (1000.2, 5.2)) == pytest.approx([0.0, 0.1, 0.2])


def test_a_first_stamp_of_0_before_real_ones_is_no_jump_at_all():
    frames = [(0.0, 50_000.0), (1.7e9, 50_000.5), (1.7e9 + 1, 50_001.0), (1.7e9 + 1.5, 50_001.2)]
    assert times(*frames) == pytest.approx([0.0, 0.5, 1.5, 2.0])
    assert times((0.0, 50_000.0), (1.0, 50_000.5), (2.0, 50_001.0)) == pytest.approx([0.0, 0.5, 1.5])


def test_a_coarse_clock_does_not_go_back():
    frames = [(1000.0 + arrival // 1, arrival * 1.01) for arrival in (step / 10 for step in range(40))]
    found = times(*frames)
    assert found == sorted(found)
    assert found[-1] == pytest.approx(3.95, abs=0.1)


def test_jitter_of_a_few_milliseconds_holds_the_clock_and_restarts_nothing():
    stamps = [1000 + step / 30 for step in range(300)]
    for step in range(30, 300, 30):
        stamps[step] = stamps[step - 1] - 0.007  # once a second
    found = times(*((stamp, 5 + step / 30) for step, stamp in enumerate(stamps)))
    assert found == sorted(found)
    assert found[-1] == pytest.approx(stamps[-1] - 1000)


def test_a_clock_that_is_set_back_by_less_than_a_track_lives_holds():
    frames = [(1000 + step / 30 - (0.3 if step >= 10 else 0), step / 30) for step in range(60)]
    found = times(*frames)
    assert found == sorted(found)
    assert found[-1] == pytest.approx(frames[-1][0] - 1000)


def test_two_publishers_with_different_clocks_are_one_stream():
    found = times(*((1000 + step / 60 - (0.1 if step % 2 else 0), step / 60) for step in range(120)))
    assert found == sorted(found)
    assert found[-1] == pytest.approx(118 / 60, abs=0.05)


def test_a_long_pause_of_the_stamps_does_not_stop_the_clock_afterwards():
    frames = [(1000.0, step / 10) for step in range(100)] + [
        (1000 + step / 10, 10 + step / 10) for step in range(1, 11)
    ]
    found = times(*frames)
    assert found[-1] - found[99] == pytest.approx(0.9, abs=0.11)


@pytest.mark.parametrize("step", [600.0, 0.7])
def test_a_stamp_that_jumps_back_by_more_is_a_restart(step):
    clock = FrameClock()
    clock.time(1000.0, 5.0, RESTART_AFTER)
    before = clock.time(1000.1, 5.1, RESTART_AFTER)
    after = clock.time(1000.1 - step, 5.2, RESTART_AFTER)
    assert clock.went_back == pytest.approx(step)
    assert clock.time(1000.1 - step + 0.1, 5.3, RESTART_AFTER) == pytest.approx(after + 0.1)
    assert clock.went_back == 0
    assert after >= before


@pytest.mark.parametrize("latency", [-0.05, 0.0, 0.02, 9.0])
def test_a_latency_is_believed(latency):
    assert of_one_clock(latency)


@pytest.mark.parametrize("latency", [-4.981, -0.2, 10.1, 34_560_000.018])
def test_what_no_latency_can_be_comes_of_another_clock(latency):
    assert not of_one_clock(latency)


def taken(*events, limit=0.05, now=100.0):
    """What is taken after partners "p" and items "i", given as (kind, stamp, arrival)."""
    pairs = Pairs()
    for kind, stamp, arrival in events:
        (pairs.offer if kind == "p" else pairs.put)(stamp, stamp, arrival)
    return pairs.take(limit, now)


def test_the_partner_with_the_nearest_stamp_is_taken_in_whatever_order_they_come():
    images = [("i", 1.00, 100.0), ("i", 1.10, 100.0)]
    depths = [("p", 0.97, 100.0), ("p", 1.01, 100.0), ("p", 1.13, 100.0)]
    assert taken(*images, *depths) == taken(*depths, *images) == [(1.00, 1.01), (1.10, 1.13)]


def test_an_offset_up_to_the_limit_is_taken():
    events = [("p", 1.03, 100.0), ("i", 1.00, 100.0)]
    assert taken(*events, limit=0.05) == [(1.00, 1.03)]
    assert taken(*events, limit=0.02) == [(1.00, None)]


def test_an_item_waits_for_a_partner_that_may_be_nearer_but_not_for_ever():
    events = [("p", 0.97, 100.0), ("i", 1.00, 100.0)]
    assert taken(*events, now=100.0 + Pairs.WAIT / 2) == []
    assert taken(*events, now=100.0 + Pairs.WAIT) == [(1.00, 0.97)]


def test_without_partners_nothing_waits():
    assert taken(("i", 1.00, 100.0)) == [(1.00, None)]
    ended = [("p", 0.5, 100.0 - Pairs.ALIVE), ("i", 1.00, 100.0)]
    assert taken(*ended) == [(1.00, None)]


def test_few_partners_are_kept():
    pairs = Pairs()
    for number in range(Pairs.KEPT + 1):
        pairs.offer(number, float(number), 100.0)
    pairs.put("first", 0.0, 100.0)
    pairs.put("second", 1.0, 100.0)
    assert pairs.take(0.1, 100.0) == [("first", None), ("second", 1)]
