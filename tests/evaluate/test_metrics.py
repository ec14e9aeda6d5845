import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from femo_jax import EMOTIONS, Emotion
from femo_jax.evaluate.metrics import confusion_matrix, negative_log_likelihood, report, wilson_interval


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 500).astype(np.int32)
    logits = rng.normal(size=(500, 7)) + 1.5 * np.eye(7)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), labels


def test_agrees_with_scikit_learn(predictions):
    probabilities, labels = predictions
    predicted, result = probabilities.argmax(axis=1), report(*predictions, EMOTIONS)
    assert result["n"] == 500
    assert result["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    assert result["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(labels, predicted, average="macro"))
    assert result["nll"] == pytest.approx(sklearn_metrics.log_loss(labels, probabilities), rel=1e-5)
    np.testing.assert_array_equal(result["confusion"], sklearn_metrics.confusion_matrix(labels, predicted))
    expected = sklearn_metrics.precision_recall_fscore_support(labels, predicted)
    for row, key in zip(expected, ("precision", "recall", "f1", "n"), strict=True):
        np.testing.assert_allclose([result["per_class"][label][key] for label in EMOTIONS], row)


def test_by_hand():
    probabilities = np.full((3, 7), 0.1, np.float32)
    probabilities[:, Emotion.HAPPY] = 0.4
    result = report(probabilities, np.array([Emotion.HAPPY, Emotion.HAPPY, Emotion.SAD]), EMOTIONS)
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["per_class"]["happy"] == {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": 0.8, "n": 2}
    assert result["per_class"]["disgust"] == {"precision": None, "recall": None, "f1": None, "n": 0}
    assert result["macro_f1"] == pytest.approx(0.8 / 2)  # happy and sad; the others have no images
    assert result["nll"] == pytest.approx(-(2 * np.log(0.4) + np.log(0.1)) / 3)
    assert result["ece"] == pytest.approx(2 / 3 - 0.4)
    assert result["confusion"][Emotion.SAD][Emotion.HAPPY] == 1


def test_report_is_json_with_the_agreed_keys(predictions):
    result = json.loads(json.dumps(report(*predictions, EMOTIONS), allow_nan=False))
    assert set(result) == {
        "accuracy", "accuracy_interval", "macro_f1", "nll", "ece", "n", "per_class", "confusion",
    }  # fmt: skip


def test_images_that_training_did_not_see(predictions):
    probabilities, labels = predictions
    unseen = np.arange(500) % 5 == 0
    result = report(probabilities, labels, EMOTIONS, unseen)
    accuracy = (probabilities[unseen].argmax(axis=1) == labels[unseen]).mean()
    assert (result["without_overlap"]["n"], result["without_overlap"]["accuracy"]) == (100, accuracy)
    assert result["without_overlap"]["accuracy_interval"] == list(wilson_interval(round(100 * accuracy), 100))
    assert {key: result[key] for key in result if key != "without_overlap"} == report(probabilities, labels, EMOTIONS)
    assert "without_overlap" not in report(probabilities, labels, EMOTIONS, np.zeros(500, bool)), (
        "of none there is no accuracy"
    )


def test_confusion_rows_are_true_classes():
    confusion = confusion_matrix(np.array([1, 1, 0]), np.array([0, 0, 2]), classes=3)
    np.testing.assert_array_equal(confusion, [[0, 2, 0], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # From the tables of Newcombe, Statistics in Medicine 17, 1998: method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval(right, n, low, high):
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=6e-5)


def test_wilson_interval_stays_within_0_and_1():
    assert wilson_interval(5, 5)[1] == 1.0
    assert wilson_interval(0, 5)[0] == 0.0


def test_impossible_truth_gives_a_large_but_finite_likelihood():
    assert 80 < negative_log_likelihood(np.array([[1.0, 0.0]], np.float32), np.array([1])) < 90


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.zeros((0, 7)), np.zeros(0, int), "n > 0"),
        (np.ones((3, 7)), np.zeros(2, int), r"\[3, 7\] and \[2\]"),
        (np.ones((3, 6)), np.zeros(3, int), r"\[3, 6\]"),
        (np.ones((2, 7)), np.array([0, 7]), "0 to 7"),
        (np.ones((2, 7)), np.array([-1, 0]), "-1 to 0"),
        (np.full((2, 7), np.nan), np.zeros(2, int), "finite"),
    ],
)
def test_refuses_what_cannot_be_counted(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        report(probabilities, labels, EMOTIONS)
