import math

import numpy as np
import pytest

from femo_jax.live.config import TrackConfig
from femo_jax.live.tracking import OneEuro, start_filter, update_filter

CUTOFF_HZ, SPEED_GAIN = TrackConfig().box_cutoff_hz, TrackConfig().box_speed
RATES = [5, 15, 30, 60]


def filtered(samples: np.ndarray, seconds: np.ndarray, cutoff_hz=CUTOFF_HZ, speed_gain=SPEED_GAIN) -> np.ndarray:
    """Filters `[n, channels]` samples taken at `[n]` seconds."""
    state = start_filter(samples[0])
    values = [state.value]
    for sample, elapsed in zip(samples[1:], np.diff(seconds), strict=True):
        state = update_filter(state, sample, elapsed, cutoff_hz, speed_gain)
        values.append(state.value)
    return np.array(values)


def times(rate: float, seconds: float = 20.0) -> np.ndarray:
    return np.arange(0, seconds, 1 / rate)


def lag(rate: float, speed: float, **settings) -> float:
    """The farthest that the filter stays behind a signal that rests, and then moves at `speed` a second."""
    seconds = times(rate)
    signal = speed * np.maximum(seconds - 10, 0)[:, None]
    return np.abs(filtered(signal, seconds, **settings) - signal).max()


def test_the_first_sample_passes():
    np.testing.assert_array_equal(start_filter(np.array([3.0, 4.0])).value, [3, 4])


def test_one_step_by_hand():
    state = OneEuro(sample=np.array([1.0]), value=np.array([0.5]), speed=np.array([2.0]))
    after = update_filter(state, np.array([1.5]), 0.1, cutoff_hz=1.0, speed_gain=0.5)

    def weight(cutoff: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff) / 0.1)

    speed = 2.0 + weight(1.0) * ((1.5 - 1.0) / 0.1 - 2.0)
    assert after.speed[0] == pytest.approx(speed)
    assert after.value[0] == pytest.approx(0.5 + weight(1.0 + 0.5 * speed) * (1.5 - 0.5))
    assert after.sample[0] == 1.5


@pytest.mark.parametrize("rate", RATES)
def test_a_resting_signal_is_steadied(rate):
    noise = 0.03 * np.random.default_rng(0).standard_normal((60 * rate, 1))
    jitter = filtered(noise, times(rate, 60.0))[rate:].std()
    assert noise.std() / jitter > {5: 1.4, 15: 2.0, 30: 2.6, 60: 3.5}[rate]


@pytest.mark.parametrize("rate", RATES)
def test_a_moving_signal_is_not_left_behind(rate):
    assert lag(rate, speed=1.0) < 0.09
    assert lag(rate, speed=3.0) < 0.15


def test_the_lag_hardly_depends_on_the_rate():
    lags = [lag(rate, speed=1.0) for rate in (15, 30, 60, 120, 240)]
    assert max(lags) < 1.15 * min(lags)


def test_speed_opens_the_filter():
    assert lag(30, speed=1.0, speed_gain=0.0) > 2 * lag(30, speed=1.0)


def test_it_keeps_scale():
    seconds = times(30, 3.0)
    signal = np.cumsum(np.random.default_rng(0).standard_normal((len(seconds), 4)), axis=0)
    large = filtered(10 * signal, seconds, speed_gain=SPEED_GAIN / 10)
    np.testing.assert_allclose(large, 10 * filtered(signal, seconds), rtol=1e-9)


def test_channels_are_independent():
    seconds = times(30, 3.0)
    signal = np.cumsum(np.random.default_rng(0).standard_normal((len(seconds), 2)), axis=0)
    np.testing.assert_array_equal(filtered(signal, seconds)[:, :1], filtered(signal[:, :1], seconds))


def test_it_stays_between_what_was_seen():
    rng = np.random.default_rng(0)
    signal = np.cumsum(rng.standard_normal((500, 1)), axis=0)
    values = filtered(signal, np.cumsum(rng.exponential(0.05, 500)))
    assert signal.min() <= values.min()
    assert values.max() <= signal.max()


def test_no_time_changes_nothing():
    state = update_filter(start_filter(np.array([1.0])), np.array([2.0]), 0.0, CUTOFF_HZ, SPEED_GAIN)
    assert state.value[0] == 1.0
    assert np.isfinite(state.speed).all()


def test_after_a_long_time_only_the_sample_counts():
    assert update_filter(start_filter(np.array([1.0])), np.array([2.0]), 50.0, CUTOFF_HZ, 0.0).value[
        0
    ] == pytest.approx(2.0, abs=0.01)
