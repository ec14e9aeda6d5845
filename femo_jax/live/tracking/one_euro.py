"""One-Euro filter: steady where a signal rests, quick where it moves.

It is a low-pass filter whose cutoff frequency grows with the speed of the signal. Other than in the paper, the speed is
taken from sample to sample and not from the filtered value to the sample: the latter counts the filter's own lag as
speed, the more the higher the frame rate, and lag and jitter shall not depend on the frame rate.

References:
  Casiez, Roussel and Vogel, 1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
  Systems, 2012, https://doi.org/10.1145/2207676.2208639
"""

import math
from dataclasses import dataclass

import numpy as np

SPEED_CUTOFF_HZ = 1.0
"""Cutoff frequency of the speed's own low-pass filter, as in the paper."""


@dataclass(frozen=True, eq=False)
class OneEuro:
    """State of the filter for a signal of n channels, each filtered by its own speed.

    Attributes:
      sample: `[n] float64`, the last sample as it came.
      value: `[n] float64`, the filtered signal.
      speed: `[n] float64`, filtered speed in units of the signal a second.
    """

    sample: np.ndarray
    value: np.ndarray
    speed: np.ndarray


def start(sample: np.ndarray) -> OneEuro:
    """The filter after its first sample `[n]`, which passes unchanged."""
    return OneEuro(sample, sample, np.zeros_like(sample))


def follow(state: OneEuro, sample: np.ndarray, elapsed: float, cutoff_hz: float, speed_gain: float) -> OneEuro:
    """The filter after one more sample.

    Args:
      state: after the sample before.
      sample: `[n] float64`.
      elapsed: seconds since the sample before, 0 or more; after 0 seconds the value stays.
      cutoff_hz: cutoff frequency at rest; lower is steadier.
      speed_gain: by how many hertz the cutoff grows for each unit a second; higher lags less.
    """
    # Both steps are `last + weight * (new - last)`; that of the speed is written without a division by `elapsed`.
    change = sample - state.sample - elapsed * state.speed
    speed = state.speed + change / (elapsed + _time_constant(SPEED_CUTOFF_HZ))
    weight = elapsed / (elapsed + _time_constant(cutoff_hz + speed_gain * np.abs(speed)))
    return OneEuro(sample, state.value + weight * (sample - state.value), speed)


def _time_constant(cutoff_hz):
    return 1 / (2 * math.pi * cutoff_hz)
