import pytest

from femo_jax.live.playing.pulse import Pulse


def test_nothing_is_known_before_the_first_frames():
    pulse = Pulse()
    assert (pulse.frames_per_second, pulse.latency_ms) == (None, None)
    pulse.beat(5.0, 30.0)
    assert (pulse.frames_per_second, pulse.latency_ms) == (None, 30.0)


def test_rate_and_latency_are_those_of_the_last_second():
    pulse = Pulse()
    for frame in range(100):
        pulse.beat(frame / 10, 80.0)
    for frame in range(60):
        pulse.beat(10 + frame / 30, 20.0)
    assert pulse.frames_per_second == pytest.approx(30)
    assert pulse.latency_ms == pytest.approx(20)


def test_unsteady_frames_give_a_steady_rate():
    pulse = Pulse()
    rates = []
    for frame in range(120):
        pulse.beat(frame / 30 + (0.012 if frame % 2 else 0.0), 20.0)
        rates.append(pulse.frames_per_second)
    assert max(rates[60:]) - min(rates[60:]) < 1.0


def test_frames_slower_than_a_second():
    pulse = Pulse()
    for frame in range(5):
        pulse.beat(4.0 * frame, 20.0)
    assert pulse.frames_per_second == pytest.approx(0.25)


def test_a_pause_is_forgotten_with_the_next_frames():
    pulse = Pulse()
    for frame in range(10):
        pulse.beat(frame / 10, 20.0)
    for frame in range(5):
        pulse.beat(60 + frame / 10, 20.0)
    assert pulse.frames_per_second == pytest.approx(10)
