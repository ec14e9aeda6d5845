import pytest
from matplotlib.figure import Figure

from femo_jax.figures.style import percent_axis


@pytest.mark.parametrize("low", [0.0, 0.31, 0.7])
@pytest.mark.parametrize("extent", [1.0, 0.3, 0.175, 0.1, 0.02, 0.003])
def test_a_gridline_is_labelled_with_its_value(low, extent):
    figure = Figure()
    axes = figure.subplots()
    axes.set_ylim(low, low + extent)
    percent_axis(axes.yaxis)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) > 2
    for tick, label in zip(axes.get_yticks(), labels, strict=True):
        assert float(label.removesuffix(" %")) == pytest.approx(100 * tick, abs=1e-9)
