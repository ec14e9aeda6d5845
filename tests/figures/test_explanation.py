import numpy as np
import pytest
from matplotlib.figure import Figure

from femo_jax.errors import ConfigError, FemoError
from femo_jax.explain.faces import Explainer, Explanation
from femo_jax.figures import explanation as drawing


@pytest.fixture(scope="module")
def explainer(random_model):
    return Explainer(random_model)


def row(name="face.png", labels=("happy",), cells=1.0):
    rng = np.random.default_rng(0)
    grad_cam, layer_cam = cells * rng.uniform(size=(3, 3)), cells * rng.uniform(size=(12, 12))
    pixels = rng.normal(size=(48, 48))
    explanations = [Explanation(label, grad_cam, layer_cam, pixels, 2.0, -1.0, 0.015) for label in labels]
    probabilities = np.array([0.01, 0.02, 0.03, 0.85, 0.04, 0.04, 0.01])
    return drawing.ExplainedFace(name, rng.integers(0, 255, (48, 48), np.uint8), probabilities, explanations)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn from here on."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    return figures


def words(figure):
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [axes.get_title(), *(text.get_text() for text in axes.texts)]
    return "\n".join(found)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_every_format(explainer, tmp_path, suffix):
    drawing.draw_faces([row()], explainer, tmp_path / f"figure{suffix}")
    assert (tmp_path / f"figure{suffix}").stat().st_size > 10_000


def test_what_a_reader_has_to_know_stands_there(explainer, tmp_path, drawn):
    drawing.draw_faces(
        [row(labels=("happy", "sad")), row("a" * 40 + ".png", ("sad", "fear"))], explainer, tmp_path / "f.png"
    )
    found = words(drawn[0]).replace("\n", " ")
    for word in (
        "face.png",
        "85 %",
        "sad: sum",
        "3x3 cells",
        "grey baseline in 64 steps",
        "completeness error 0.015",
        "simple_cnn",
    ):
        assert word in found
    assert "a" * 30 not in found


def test_maps_lie_over_the_crop(explainer, tmp_path, drawn):
    one = row()
    drawing.draw_faces([one], explainer, tmp_path / "f.png")
    (explanation,) = one.explanations
    crop, _, grad_cam, layer_cam, pixels = drawn[0].axes[:5]
    np.testing.assert_array_equal(crop.images[0].get_array(), one.crop)
    for axes, cells in ((grad_cam, explanation.grad_cam), (layer_cam, explanation.layer_cam)):
        np.testing.assert_array_equal(axes.images[0].get_array(), one.crop)
        np.testing.assert_allclose(axes.images[1].get_array(), cells / cells.max())
        assert list(axes.images[1].get_extent()) == list(axes.images[0].get_extent())
    np.testing.assert_array_equal(pixels.images[1].get_array(), explanation.pixels)
    low, high = pixels.images[1].get_clim()
    assert low == -high


def test_an_empty_map_says_so(explainer, tmp_path, drawn):
    drawing.draw_faces([row(cells=0.0)], explainer, tmp_path / "f.png")
    assert "happy: no evidence" in words(drawn[0])


def test_what_cannot_be_drawn(explainer, tmp_path):
    with pytest.raises(ConfigError, match="more than 100 faces, the most that one figure shows"):
        drawing.draw_faces([row()] * 101, explainer, tmp_path / "f.png")
    with pytest.raises(FemoError, match="unknown figure format"):
        drawing.draw_faces([row()], explainer, tmp_path / "f.bmp")
    assert not list(tmp_path.iterdir())
