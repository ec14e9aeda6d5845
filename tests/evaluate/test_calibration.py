import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from femo_jax.evaluate import calibration
from femo_jax.evaluate.calibration import (
    TEMPERATURES,
    cross_fitted_ece,
    ece_by_chance,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def two_classes(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    first = np.array(confidence, np.float32)
    return np.stack([first, 1 - first], axis=1), np.where(right, 0, 1)


def test_bins_by_hand():
    probabilities, labels = two_classes([0.55, 0.65, 0.95, 0.95], [True, False, True, True])
    binned = reliability(probabilities, labels, bins=5)
    np.testing.assert_array_equal(binned.count, [0, 0, 1, 1, 2])
    np.testing.assert_allclose(binned.confidence, [0, 0, 0.55, 0.65, 0.95], rtol=1e-6)
    np.testing.assert_allclose(binned.accuracy, [0, 0, 1, 0, 1])
    assert expected_calibration_error(binned) == pytest.approx((0.45 + 0.65 + 2 * 0.05) / 4)


def test_every_image_falls_in_one_bin():
    for confidence in (0.5, 0.6, 0.8, 1.0):
        probabilities, labels = two_classes([confidence], [True])
        assert reliability(probabilities, labels, bins=5).count.sum() == 1
    probabilities, labels = two_classes([1.0], [True])
    assert reliability(probabilities, labels).count[-1] == 1


def test_an_edge_belongs_to_the_bin_below():
    probabilities, labels = np.array([[0.75, 0.25]]), np.array([0])
    np.testing.assert_array_equal(reliability(probabilities, labels, bins=4).count, [0, 0, 1, 0])


def test_a_model_as_sure_as_right_has_no_error():
    probabilities, labels = two_classes([0.75] * 4, [True, True, True, False])
    assert expected_calibration_error(reliability(probabilities, labels)) == pytest.approx(0.0, abs=1e-7)


def test_a_model_sure_and_wrong_has_all_the_error():
    probabilities, labels = two_classes([1.0] * 3, [False] * 3)
    assert expected_calibration_error(reliability(probabilities, labels)) == 1.0


TRIED = np.array([0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0])
"""Of the best temperature, with it in the middle."""


def drawn_labels(logits: np.ndarray, seed: int = 0) -> np.ndarray:
    """Labels for which the softmax of the logits is exactly as sure as it is right."""
    chance = np.random.default_rng(seed).random((len(logits), 1))
    return (softmax(logits, axis=1).cumsum(axis=1) < chance).sum(axis=1)


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 2, (20_000, 7))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_temperature_of_logits_that_are_too_large_or_too_small(logits, temperature):
    assert fit_temperature(logits * temperature, drawn_labels(logits)) == pytest.approx(temperature, rel=0.03)


def test_temperature_has_the_least_loss(logits):
    labels = drawn_labels(logits)
    best = fit_temperature(3 * logits, labels)
    losses = [-log_softmax(3 * logits / t, axis=1)[np.arange(len(labels)), labels].mean() for t in best * TRIED]
    assert np.argmin(losses) == len(TRIED) // 2


def test_temperature_of_log_probabilities_is_that_of_logits(logits):
    labels = drawn_labels(logits)
    assert fit_temperature(log_softmax(3 * logits, axis=1), labels) == pytest.approx(
        fit_temperature(3 * logits, labels)
    )


def test_a_model_without_errors_and_one_without_sense_have_the_last_temperatures(logits):
    low, high = TEMPERATURES
    assert fit_temperature(logits, logits.argmax(axis=1)) == pytest.approx(low, rel=0.01)
    assert fit_temperature(logits, logits.argmin(axis=1)) == pytest.approx(high, rel=0.01)


def test_cross_fitted_error_of_a_model_with_the_wrong_temperature(logits):
    labels = drawn_labels(logits)
    assert expected_calibration_error(reliability(softmax(3 * logits, axis=1), labels)) > 0.1
    assert cross_fitted_ece(3 * logits, labels) < 0.015


def test_cross_fitting_judges_no_image_by_a_temperature_that_it_helped_to_fit(logits, monkeypatch):
    fitted_on = []

    def fit(logits, labels):
        fitted_on.append(set(logits[:, 0]))
        return 1.0

    monkeypatch.setattr(calibration, "fit_temperature", fit)
    few = logits[:23]
    cross_fitted_ece(few, few.argmax(axis=1), folds=5)
    judged = [value for others in fitted_on for value in set(few[:, 0]) - others]
    assert sorted(judged) == sorted(few[:, 0])


def test_cross_fitting_is_repeatable(logits):
    labels = drawn_labels(logits)
    few = slice(0, 500)
    first, again, other = (cross_fitted_ece(2 * logits[few], labels[few], seed=seed) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize(
    ("logits", "labels"),
    [(np.zeros((0, 7)), np.zeros(0, int)), (np.zeros((3, 7)), np.zeros(2, int)), (np.zeros(7), np.zeros(7, int))],
)
def test_shapes_that_do_not_fit(logits, labels):
    with pytest.raises(ValueError, match="expected logits"):
        fit_temperature(logits, labels)


@pytest.mark.parametrize("folds", [1, 4])
def test_too_few_folds_or_images(folds):
    with pytest.raises(ValueError, match=f"got {folds} folds, 3 images"):
        cross_fitted_ece(np.zeros((3, 7)), np.zeros(3, int), folds=folds)


def test_error_by_chance_is_what_labels_drawn_from_the_probabilities_give(logits):
    probabilities = softmax(logits, axis=1)
    rng = np.random.default_rng(5)
    errors = []
    for _ in range(200):
        labels = (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1))).argmax(axis=1)
        errors.append(expected_calibration_error(reliability(probabilities, labels)))
    chance = ece_by_chance(probabilities, seed=1)
    assert chance.mean == pytest.approx(np.mean(errors), rel=0.05)
    assert (chance.low, chance.high) == pytest.approx(tuple(np.quantile(errors, (0.05, 0.95))), rel=0.12)
    assert ece_by_chance(probabilities, seed=1) == chance


def test_error_by_chance_grows_where_images_are_few(logits):
    probabilities = softmax(logits, axis=1)
    assert ece_by_chance(probabilities[: len(probabilities) // 16]).mean > 3 * ece_by_chance(probabilities).mean
