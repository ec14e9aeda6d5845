"""Emotions that do not flicker: probabilities smoothed over time, and a label that changes only for a reason.

Times are in seconds, so that 5 and 60 frames a second behave alike.
"""

import math
from dataclasses import dataclass

import numpy as np

from femo_jax.emotions import Emotion
from femo_jax.live.config import TrackConfig


@dataclass(frozen=True, eq=False)
class SmoothedEmotion:
    """What the frames so far say of a face.

    Attributes:
      probabilities: `[7] float64`, smoothed, of sum 1.
      label: the settled emotion; for a moment it may not be the most probable.
      span: seconds from the first frame to the last.
    """

    probabilities: np.ndarray
    label: Emotion
    span: float = 0.0

    @property
    def confidence(self) -> float:
        """Smoothed probability of `label`."""
        return float(self.probabilities[self.label])


def first_emotion(probabilities: np.ndarray) -> SmoothedEmotion:
    """What the first frame says: its `[7]` probabilities, and the most probable emotion."""
    probabilities = np.array(probabilities, np.float64)
    return SmoothedEmotion(probabilities, Emotion(int(probabilities.argmax())))


def next_emotion(
    state: SmoothedEmotion, probabilities: np.ndarray, elapsed: float, config: TrackConfig
) -> SmoothedEmotion:
    """What the frames say with one more.

    The smoothing is exponential. While fewer seconds than its time constant were seen, those seconds are the time
    constant: the first frame is one of many then, not the only past.

    Args:
      state: after the frame before.
      probabilities: `[7]` of the new frame, of sum 1.
      elapsed: seconds since the frame before, 0 or more.
      config: its `smoothing_ms` and `hysteresis` are used.
    """
    span = state.span + elapsed
    weight = _weight(elapsed, min(config.smoothing_ms / 1000, span))
    smoothed = state.probabilities + weight * (probabilities - state.probabilities)
    challenger = Emotion(int(smoothed.argmax()))
    changes = smoothed[challenger] - smoothed[state.label] > config.hysteresis
    return SmoothedEmotion(smoothed, challenger if changes else state.label, span)


def is_uncertain(emotion: SmoothedEmotion, age: float, unseen: float, config: TrackConfig) -> bool:
    """Whether the evidence is too thin to act on.

    It is where no emotion stands out, where the face was first seen a moment ago, and where it has been out of sight
    for more than half the time after which it is given up.

    Args:
      emotion: of the face.
      age: seconds since the face was first seen.
      unseen: seconds since it was last seen.
      config: its `uncertain_below`, `uncertain_for_ms` and `lost_after_ms` are used.
    """
    return (
        emotion.confidence < config.uncertain_below
        or age * 1000 < config.uncertain_for_ms
        or unseen * 1000 > config.lost_after_ms / 2
    )


def _weight(elapsed: float, time_constant: float) -> float:
    """Weight of a sample that stands for the `elapsed` seconds before it; 1 without smoothing."""
    return -math.expm1(-elapsed / time_constant) if time_constant > 0 else 1.0
