import numpy as np
import pytest

from femo_jax.evaluate.bootstrap import METRICS, _metrics, bootstrap
from femo_jax.evaluate.metrics import report


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 300)
    return probabilities, np.where(rng.random(300) < 0.5, probabilities.argmax(axis=1), rng.integers(0, 3, 300))


def test_values_are_those_of_a_report(predictions):
    found, expected = bootstrap(*predictions, draws=10), report(*predictions, list("abcd"))
    for name in ("accuracy", "macro_f1", "nll", "ece"):
        assert found[name]["value"] == pytest.approx(expected[name])
    recalls = [of["recall"] for of in expected["per_class"].values() if of["recall"] is not None]
    assert found["balanced_accuracy"]["value"] == pytest.approx(np.mean(recalls))


def test_a_sample_has_the_metrics_of_its_images(predictions):
    probabilities, labels = predictions
    drawn = np.random.default_rng(1).integers(0, 300, (3, 300))
    together = _metrics(probabilities, labels, drawn)
    for number, sample in enumerate(drawn):
        alone = _metrics(probabilities[sample], labels[sample], np.arange(300)[None])
        for name in METRICS:
            assert together[name][number] == pytest.approx(alone[name][0])


def test_intervals_are_seeded_and_as_wide_as_theory_has_them(predictions):
    found = bootstrap(*predictions, seed=3)
    assert found == bootstrap(*predictions, seed=3) != bootstrap(*predictions, seed=4)
    accuracy = found["accuracy"]
    error = 1.96 * (accuracy["value"] * (1 - accuracy["value"]) / 300) ** 0.5
    assert accuracy["high"] - accuracy["low"] == pytest.approx(2 * error, rel=0.15)
