import json

import numpy as np
import pytest

from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, FemoError
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.robustness import robustness
from femo_jax.evaluate.run import Evaluation
from femo_jax.figures.report import check_figures, corruptions_figure, draw_evaluation, draw_run


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Of eleven images, four of which are classified correctly."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 7, 11).astype(np.int32)
    predicted = np.where(np.arange(11) < 4, labels, (labels + 1) % 7)
    probabilities = np.full((11, 7), 0.1, np.float32)
    probabilities[np.arange(11), predicted] = 0.4
    images = rng.integers(0, 256, (11, 48, 48, 1), np.uint8)
    split = Split(images, labels, np.array([f"image {number}" for number in range(11)]))
    words = {"architecture": "simple_cnn", "split": "validation", "tta": "flip"}
    return Evaluation(report(probabilities, labels, EMOTIONS) | words, probabilities, split)


def test_confusion_and_reliability(evaluation, tmp_path):
    path = tmp_path / "figures" / "evaluation.svg"
    assert draw_evaluation(evaluation, path) == [path]
    assert "simple_cnn on validation (11 images, flip TTA)" in path.read_text()


def test_corruptions_are_drawn_in_a_file_beside_it(evaluation, tmp_path):
    split, clean = evaluation.split, evaluation.probabilities
    result = robustness(lambda images: clean, split, clean)
    with_corruptions = Evaluation(evaluation.report | {"robustness": result}, clean, split)
    figure, bars = tmp_path / "evaluation.svg", tmp_path / "evaluation-corruptions.svg"
    assert corruptions_figure(figure) == bars
    assert draw_evaluation(with_corruptions, figure) == [figure, bars]
    assert (
        "simple_cnn on validation (11 images, flip TTA)" in bars.read_text() and "defocus, sigma 2" in bars.read_text()
    )


def test_the_most_confident_errors_are_drawn(evaluation, tmp_path):
    assert draw_evaluation(evaluation, top_errors=tmp_path / "errors.svg", top_errors_count=3)
    assert "the 3 most confident of 7 errors" in (tmp_path / "errors.svg").read_text()


@pytest.mark.parametrize(
    ("figure", "errors", "count", "error", "message"),
    [
        (None, "errors.jpeg", 40, FemoError, "errors.jpeg: unknown figure format"),
        (None, "errors.png", 0, ConfigError, "--top-errors-count is 0; expected 1 to 400"),
        ("a.png", "a.png", 40, ConfigError, "a.png: is drawn twice"),
        ("a.png", "a-corruptions.png", 40, ConfigError, "a-corruptions.png: is drawn twice"),
        ("confusion.jpeg", None, 40, FemoError, "unknown figure format"),
        (f"{__file__}/a.png", None, 40, FemoError, r"a\.png: cannot be written, since .*test_report\.py is no folder"),
        (None, f"{__file__}/new/a.png", 40, FemoError, r"a\.png: cannot be written"),
    ],
)
def test_what_cannot_be_drawn_is_known_before(figure, errors, count, error, message):
    with pytest.raises(error, match=message):
        check_figures(figure, errors, count)


def test_a_run_is_drawn_from_its_files(tmp_path, evaluation):
    record = {"epoch": 1, "step": 10, "split": "validation", "loss": 1.5, "accuracy": 0.4}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "report.json").write_text(json.dumps(evaluation.report))
    assert draw_run(tmp_path) == [tmp_path / "curves.png", tmp_path / "confusion.png"]
    assert all(path.stat().st_size > 10_000 for path in (tmp_path / "curves.png", tmp_path / "confusion.png"))
