import subprocess
import sys

import cv2
import numpy as np
import pytest

from femo_jax import EMOTIONS
from femo_jax.errors import FemoError
from femo_jax.figures import evaluation as drawing
from femo_jax.figures.style import FORMATS


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The figures that are drawn from here on, kept instead of written."""
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path: figures.append(figure))
    return figures


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 200)
    probabilities = rng.dirichlet(np.ones(7), 200)
    return probabilities.astype(np.float32), labels


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_confusion_shows_shares_and_counts(drawn):
    confusion = np.zeros((7, 7), int)
    confusion[3] = [0, 0, 1, 1500, 499, 0, 0]
    drawing.plot_confusion(confusion.tolist(), EMOTIONS, "confusion.png", "simple_cnn")
    axes = drawn[0].axes[0]
    cells = dict(zip(np.ndindex(7, 7), zip(texts(axes)[::2], texts(axes)[1::2], strict=True), strict=True))
    assert cells[3, 3] == ("75.0 %", "1,500")
    assert cells[3, 4] == ("24.9 %", "499")
    assert cells[0, 0] == ("-", "0")
    assert axes.get_title() == "simple_cnn: 75.0 % accuracy"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(EMOTIONS)
    assert axes.get_yticklabels()[3].get_text() == "happy\nn = 2,000"
    assert axes.get_xlabel() == "predicted class" and axes.get_ylabel().startswith("true class")


def test_labels_stay_within_the_figure(predictions, drawn):
    drawing.plot_evaluation(*predictions, EMOTIONS, "evaluation.png", "a title")
    drawn[0].draw_without_rendering()
    for axes in drawn[0].axes:
        box = axes.get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= drawn[0].bbox.width and box.y1 <= drawn[0].bbox.height


def test_reliability_bars(drawn):
    probabilities = np.full((4, 7), 0.05, np.float32)
    probabilities[:, 2] = 0.7
    drawing.plot_reliability(probabilities, np.array([2, 2, 2, 0]), "reliability.png")
    chart, histogram = drawn[0].axes
    assert chart.patches[10].get_height() == 0.75  # 0.7 lies in the eleventh of fifteen bins
    assert histogram.patches[10].get_height() == 4
    gap = chart.patches[-1]
    assert gap.get_y() == 0.75 and gap.get_height() == pytest.approx(-0.05)
    assert chart.get_title() == "Reliability: expected calibration error 5.0 %"


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats(tmp_path, predictions, suffix):
    path = tmp_path / f"figure{suffix}"
    drawing.plot_reliability(*predictions, path)
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"%PDF-", b"<?xml")
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_format(tmp_path, predictions):
    for name in ("figure.jpeg", "figure"):
        with pytest.raises(FemoError, match=r"ends in \.png, \.pdf, \.svg"):
            drawing.plot_reliability(*predictions, tmp_path / name)


def test_pngs_are_images(tmp_path, predictions):
    drawing.plot_evaluation(*predictions, EMOTIONS, tmp_path / "evaluation.png")
    image = cv2.imread(str(tmp_path / "evaluation.png"))
    assert image.shape[1] > 1500 and image.std() > 20


@pytest.mark.integration
def test_leaves_pyplot_alone(tmp_path):
    code = (
        "import sys\n"
        "from femo_jax.figures.evaluation import plot_confusion\n"
        f"plot_confusion([[1] * 7] * 7, list('abcdefg'), {str(tmp_path / 'confusion.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
