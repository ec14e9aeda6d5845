import json

import numpy as np
import pytest

from femo_jax.data.splits import Split
from femo_jax.emotions import NUM_EMOTIONS
from femo_jax.errors import FemoError
from femo_jax.evaluate.corruptions import CORRUPTIONS, corrupt
from femo_jax.evaluate.robustness import robustness
from femo_jax.figures.robustness import plot_robustness


@pytest.fixture(scope="module")
def inputs() -> Split:
    """Images of seven shades, one for each label."""
    labels = np.arange(70) % NUM_EMOTIONS
    shades = (60 + 20 * labels).astype(np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], (70, 48, 48, 1)).copy()
    return Split(images, labels, labels.astype(str))


def by_shade(images: np.ndarray) -> np.ndarray:
    """A model that knows a label by its shade, and is 80 % sure."""
    shade = np.rint((np.median(images, axis=(1, 2, 3)) - 60) / 20).clip(0, 6).astype(int)
    return np.where(np.eye(7)[shade] == 1, 0.8, 0.2 / 6)


@pytest.fixture(scope="module")
def result(inputs) -> dict:
    return robustness(by_shade, inputs, by_shade(inputs.images))


def test_figures_of_each_corruption(result, inputs):
    assert list(result["corrupted"]) == list(CORRUPTIONS)
    assert result["clean"] == pytest.approx({"accuracy": 1, "macro_f1": 1, "confidence": 0.8, "ece": 0.2})
    # A plain image looks the same wherever it is cropped; in half the light, it looks like another label.
    assert result["corrupted"]["shifted 10 %"] == pytest.approx(result["clean"] | {"difference": 0})
    dark = result["corrupted"]["darker x0.5"]
    right = np.mean(by_shade(corrupt("darker x0.5", inputs.images)).argmax(axis=1) == inputs.labels)
    assert dark["accuracy"] == right < 0.5
    assert dark["difference"] == pytest.approx(right - 1)
    assert dark["ece"] == pytest.approx(0.8 - right)


def test_mean_over_all_corruptions(result):
    accuracies = [figures["accuracy"] for figures in result["corrupted"].values()]
    assert result["mean_accuracy"] == pytest.approx(np.mean(accuracies))
    assert result["mean_difference"] == pytest.approx(np.mean(accuracies) - 1)
    assert 0 < result["mean_accuracy"] < 1


def test_every_model_sees_the_same_images_and_the_seed_is_reported(inputs):
    seen = []

    def predict(images):
        seen.append(images)
        return by_shade(images)

    results = [robustness(predict, inputs, by_shade(inputs.images), seed=seed) for seed in (0, 0, 1)]
    first, second, third = (np.stack(seen[i * len(CORRUPTIONS) :][: len(CORRUPTIONS)]) for i in range(3))
    assert (first == second).all() and (first != third).any()
    assert [result["seed"] for result in results] == [0, 0, 1]


def test_ready_for_json(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_figure_names_each_corruption_and_its_accuracy(result, tmp_path):
    plot_robustness(result, tmp_path / "bars.svg", "femonet on test")
    drawn = (tmp_path / "bars.svg").read_text()
    for words in (*CORRUPTIONS, "clean", "femonet on test", "mean confidence"):
        assert f"<!-- {words}" in drawn
    dark = result["corrupted"]["darker x0.5"]
    assert f"<!-- {100 * dark['accuracy']:.1f} %  ({100 * dark['difference']:+.1f}) -->" in drawn
    assert f"{100 * result['mean_accuracy']:.1f} % mean accuracy on corrupted images" in drawn


def test_figure_of_an_unknown_format(result, tmp_path):
    with pytest.raises(FemoError, match="unknown figure format"):
        plot_robustness(result, tmp_path / "bars.jpeg", "")
