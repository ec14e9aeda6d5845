import math

import numpy as np
import pytest

from femo_jax.emotions import Emotion
from femo_jax.live.config import TrackConfig
from femo_jax.live.results import SmoothedEmotion, first_emotion, is_uncertain, next_emotion

RATES = [5, 15, 30, 60]
HAPPY_OR_NEUTRAL = [0.05, 0.05, 0.05, 0.35, 0.35, 0.1, 0.05]


def one(emotion: Emotion, probability: float = 0.8) -> np.ndarray:
    """Probabilities with one emotion ahead and the others alike."""
    probabilities = np.full(7, (1 - probability) / 6)
    probabilities[emotion] = probability
    return probabilities


def smoothed(probabilities: np.ndarray, seconds: np.ndarray, config: TrackConfig) -> list[SmoothedEmotion]:
    """What is said after each of the frames `[n, 7]` at `[n]` seconds."""
    states = [first_emotion(probabilities[0])]
    for row, elapsed in zip(probabilities[1:], np.diff(seconds), strict=True):
        states.append(next_emotion(states[-1], row, elapsed, config))
    return states


def changes(labels) -> int:
    return int(np.count_nonzero(np.diff(labels)))


def delay(seconds: np.ndarray, config: TrackConfig, probability: float = 0.8) -> float:
    """Seconds from the frame that first shows another emotion, in the middle, to the frame with its label."""
    middle = len(seconds) // 2
    probabilities = np.where(
        np.arange(len(seconds))[:, None] < middle, one(Emotion.HAPPY, probability), one(Emotion.SAD, probability)
    )
    labels = [state.label for state in smoothed(probabilities, seconds, config)]
    assert changes(labels) == 1
    return seconds[labels.index(Emotion.SAD)] - seconds[middle]


def irregular(rate: float, seed: int) -> np.ndarray:
    """Ten seconds at a rate that is kept on average only: intervals of 0.2 to 1.8 times the mean."""
    return np.cumsum(np.random.default_rng(seed).uniform(0.2, 1.8, int(10 * rate)) / rate)


@pytest.mark.parametrize("rate", RATES)
def test_a_step_arrives_within_half_a_second(rate):
    steady = np.arange(0, 10, 1 / rate)
    # A frame shows the step up to one interval after it happened.
    assert delay(steady, TrackConfig()) + 1 / rate < 0.5
    assert delay(steady, TrackConfig(), probability=0.6) < 0.5


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", range(5))
def test_a_step_arrives_within_half_a_second_at_irregular_intervals(rate, seed):
    assert delay(irregular(rate, seed), TrackConfig()) < 0.5


def test_the_delay_does_not_depend_on_the_rate():
    delays = {rate: delay(np.arange(0, 10, 1 / rate), TrackConfig()) for rate in RATES}
    for rate, seconds in delays.items():
        assert abs(seconds - delays[60]) <= 1 / rate


def test_the_smoothing_does_not_depend_on_how_time_is_cut():
    config = TrackConfig()
    start = SmoothedEmotion(one(Emotion.HAPPY), Emotion.HAPPY, span=10.0)
    whole = next_emotion(start, one(Emotion.SAD), 0.3, config)
    for part in irregular(20, seed=0)[:5]:
        pieces = next_emotion(
            next_emotion(start, one(Emotion.SAD), 0.3 * part, config), one(Emotion.SAD), 0.3 * (1 - part), config
        )
        np.testing.assert_allclose(pieces.probabilities, whole.probabilities)


def test_the_time_constant_is_that_of_the_settings():
    start = SmoothedEmotion(one(Emotion.HAPPY), Emotion.HAPPY, span=10.0)
    after = next_emotion(start, one(Emotion.SAD), 0.25, TrackConfig(smoothing_ms=250))
    left = (after.probabilities[Emotion.HAPPY] - 0.2 / 6) / (0.8 - 0.2 / 6)
    assert left == pytest.approx(math.exp(-1))


@pytest.mark.parametrize("rate", RATES)
def test_flicker_between_two_near_emotions_is_cut(rate):
    seconds = np.arange(0, 120, 1 / rate)
    probabilities = np.random.default_rng(0).dirichlet(10 * np.array(HAPPY_OR_NEUTRAL), len(seconds))
    labels = [state.label for state in smoothed(probabilities, seconds, TrackConfig())]
    assert changes(probabilities.argmax(axis=1)) >= 5 * changes(labels)


def test_a_label_holds_until_another_is_ahead_by_the_hysteresis():
    config = TrackConfig(smoothing_ms=0, hysteresis=0.1)
    state = first_emotion([0, 0, 0, 0.52, 0.48, 0, 0])
    state = next_emotion(state, np.array([0, 0, 0, 0.46, 0.54, 0, 0]), 1.0, config)
    assert (state.label, state.confidence) == (Emotion.HAPPY, 0.46)
    state = next_emotion(state, np.array([0, 0, 0, 0.44, 0.56, 0, 0]), 1.0, config)
    assert (state.label, state.confidence) == (Emotion.NEUTRAL, 0.56)
    state = next_emotion(state, np.array([0, 0, 0, 0.54, 0.46, 0, 0]), 1.0, config)
    assert state.label == Emotion.NEUTRAL


def test_a_first_frame_that_was_wrong_does_not_last():
    seconds = np.arange(0, 0.2, 1 / 30)
    probabilities = np.array([one(Emotion.SAD)] + [one(Emotion.HAPPY)] * (len(seconds) - 1))
    assert smoothed(probabilities, seconds, TrackConfig())[-1].label == Emotion.HAPPY


def test_no_smoothing_gives_the_frame():
    config = TrackConfig(smoothing_ms=0, hysteresis=0)
    for elapsed in (0.0, 0.01, 10.0):
        state = next_emotion(first_emotion(one(Emotion.HAPPY)), one(Emotion.SAD), elapsed, config)
        np.testing.assert_allclose(state.probabilities, one(Emotion.SAD))
        assert state.label == Emotion.SAD


def test_no_time_changes_nothing():
    start = SmoothedEmotion(one(Emotion.HAPPY), Emotion.HAPPY, span=1.0)
    state = next_emotion(start, one(Emotion.SAD), 0.0, TrackConfig())
    np.testing.assert_array_equal(state.probabilities, one(Emotion.HAPPY))


def test_probabilities_remain_probabilities():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(7, 0.3), 1000).astype(np.float32)
    for state in smoothed(probabilities, np.cumsum(rng.exponential(0.1, 1000)), TrackConfig()):
        assert state.probabilities.sum() == pytest.approx(1.0, abs=1e-6)
        assert state.probabilities.min() >= 0


def test_the_probabilities_given_are_not_kept():
    probabilities = one(Emotion.HAPPY)
    state = first_emotion(probabilities)
    probabilities[:] = 0
    assert state.confidence == 0.8


@pytest.mark.parametrize(
    ("probability", "contrast", "age", "unseen", "expected"),
    [
        (0.5, 10.0, 1.0, 0.0, False),
        (0.39, 10.0, 1.0, 0.0, True),
        (0.5, 9.9, 1.0, 0.0, True),
        (0.5, 10.0, 0.19, 0.0, True),
        (0.5, 10.0, 0.2, 0.0, False),
        (0.5, 10.0, 1.0, 0.3, False),
        (0.5, 10.0, 1.0, 0.31, True),
    ],
)
def test_thin_evidence_is_uncertain(probability, contrast, age, unseen, expected):
    config = TrackConfig(uncertain_below=0.4, min_contrast=10.0, uncertain_for_ms=200, max_age_ms=600)
    emotion = first_emotion(one(Emotion.HAPPY, probability), contrast)
    assert is_uncertain(emotion, age, unseen, config) is expected
