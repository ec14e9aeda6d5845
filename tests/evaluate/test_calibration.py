import numpy as np
import pytest

from femo_jax.evaluate.calibration import expected_calibration_error, reliability


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


def test_every_picture_falls_in_one_bin():
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
