"""The study of a person's own neutral face: whose images count, and that no image corrects itself."""

import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from tools.wild_neutral import corrected_by_neutral, difference_interval, rates

NEUTRAL, SAD = EMOTIONS.index("neutral"), EMOTIONS.index("sad")


def test_a_person_whose_neutral_face_looks_sad_is_corrected_by_the_other_neutral_images():
    # Person 1 looks sadder by 2 in each image, person 2 does not, and person 3 has too few neutral images.
    persons = np.array([1, 1, 1, 1, 2, 2, 2, 3, 3])
    labels = np.array([NEUTRAL, NEUTRAL, NEUTRAL, SAD, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL])
    logits = np.zeros((9, len(EMOTIONS)))
    logits[persons == 1, SAD] = 2.0
    rows, offsets = corrected_by_neutral(logits, labels, persons)
    np.testing.assert_array_equal(persons[rows], [1] * 4 + [2] * 3)
    np.testing.assert_allclose(offsets[rows == 0][0, SAD], 2.0)
    np.testing.assert_allclose(np.delete(offsets, SAD, axis=1), 0.0)
    logits[0, SAD] = 50.0
    _, changed = corrected_by_neutral(logits, labels, persons)
    np.testing.assert_allclose(changed[0], offsets[0])  # its own logits are not in its correction
    assert changed[1, SAD] > offsets[1, SAD]


def test_rates_and_interval():
    labels, predicted = np.array([NEUTRAL, NEUTRAL, SAD]), np.array([NEUTRAL, SAD, SAD])
    assert rates(labels, predicted) == {
        "accuracy": pytest.approx(2 / 3),
        "balanced_accuracy": pytest.approx(0.75),
        "neutral_recall": 0.5,
    }
    worse, better = np.zeros(40, bool), np.ones(40, bool)
    persons = np.arange(40) % 10
    assert difference_interval(worse, better, persons) == (1.0, 1.0)
    low, high = difference_interval(worse, np.arange(40) % 10 < 5, persons)
    assert low < 0.5 < high
