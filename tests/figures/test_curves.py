import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from femo_jax.errors import CheckpointError, FemoError
from femo_jax.figures import curves as drawing


def line(epoch: int, split: str, loss: float, accuracy: float) -> str:
    return json.dumps({"epoch": epoch, "step": 224 * epoch, "split": split, "loss": loss, "accuracy": accuracy}) + "\n"


def write_run(workdir: Path, validation: list[float], end: str = "") -> Path:
    workdir.mkdir(parents=True)
    lines = [
        line(epoch, split, 2 - accuracy, accuracy + (0.05 if split == "train" else 0.0))
        for epoch, accuracy in enumerate(validation, start=1)
        for split in ("train", "validation")
    ]
    (workdir / "metrics.jsonl").write_text("".join(lines) + end)
    return workdir


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The figures that are drawn from here on, kept instead of written."""
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def legend_of(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_read_curves(tmp_path):
    workdir = write_run(tmp_path / "run", [0.3, 0.5])
    for run in (workdir, workdir / "metrics.jsonl", str(workdir)):
        curves = drawing.read_curves(run)
        assert set(curves) == {"train", "validation"}
        np.testing.assert_array_equal(curves["validation"].epoch, [1, 2])
        np.testing.assert_allclose(curves["validation"].accuracy, [0.3, 0.5])
        np.testing.assert_allclose(curves["train"].loss, [1.7, 1.5])


@pytest.mark.parametrize("end", ['{"epoch": 3, "spl', "{", line(3, "train", 1, 0.6)[:-2]])
def test_last_line_half_written(tmp_path, end):
    curves = drawing.read_curves(write_run(tmp_path / "run", [0.3, 0.5], end))
    np.testing.assert_array_equal(curves["train"].epoch, [1, 2])


def test_training_line_whose_validation_is_still_to_come(tmp_path):
    curves = drawing.read_curves(write_run(tmp_path / "run", [0.3], line(2, "train", 1, 0.6)))
    assert len(curves["train"].epoch) == 2 and len(curves["validation"].epoch) == 1


def test_the_later_line_of_an_epoch_counts(tmp_path):
    curves = drawing.read_curves(write_run(tmp_path / "run", [0.3, 0.5], line(1, "validation", 1, 0.4)))
    np.testing.assert_allclose(curves["validation"].accuracy, [0.4, 0.5])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("", "no finished epoch yet"),
        ('{"epoch": 1', "no finished epoch yet"),
        ("epoch,loss\n1,2\n", "line 1"),
        (line(1, "train", 1, 0.5) + '{"step": 7}\n', "line 2: not a record of `femo train`"),
        ("[1]\n", "line 1: not a record of `femo train`"),
    ],
)
def test_not_metrics(tmp_path, contents, message):
    (tmp_path / "metrics.jsonl").write_text(contents)
    with pytest.raises(CheckpointError, match=message):
        drawing.plot_curves([tmp_path], tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_missing_run(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        drawing.plot_curves([tmp_path / "nowhere"], tmp_path / "curves.png")


def test_no_run(tmp_path):
    with pytest.raises(FemoError, match="name at least one"):
        drawing.plot_curves([], tmp_path / "curves.png")


def test_curves_of_two_runs(tmp_path, drawn):
    first = write_run(tmp_path / "simple_cnn", [0.3, 0.55, 0.5])
    second = write_run(tmp_path / "femonet", [0.4])
    drawing.plot_curves([first, second], "curves.png")
    accuracy, loss = drawn[0].axes
    assert legend_of(drawn[0]) == ["simple_cnn (best 55.0 % at epoch 2)", "femonet (best 40.0 % at epoch 1)"]
    assert [axes.get_xlabel() for axes in drawn[0].axes] == ["epoch", "epoch"]
    curves = [drawn_line for drawn_line in accuracy.lines if drawn_line.get_linestyle() != "None"]
    np.testing.assert_allclose(curves[0].get_ydata(), [0.35, 0.6, 0.55])
    np.testing.assert_allclose(curves[1].get_ydata(), [0.3, 0.55, 0.5])
    assert len(loss.lines) == 4
    colours = [to_hex(drawn_line.get_color()) for drawn_line in loss.lines]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_runs_of_one_name_are_told_apart(tmp_path, drawn):
    runs = [write_run(tmp_path / folder / "femonet", [0.4]) for folder in ("seed0", "seed1")]
    drawing.plot_curves([runs[0], runs[1] / "metrics.jsonl"], "curves.png")
    assert [label.split(" (")[0] for label in legend_of(drawn[0])] == ["seed0/femonet", "seed1/femonet"]


def test_many_runs_have_colours_of_their_own(tmp_path, drawn):
    runs = [write_run(tmp_path / f"run{number}", [0.3, 0.4]) for number in range(12)]
    drawing.plot_curves(runs, "curves.png")
    assert len({to_hex(drawn_line.get_color()) for drawn_line in drawn[0].axes[1].lines}) == 12


def test_the_legend_stays_within_the_figure(tmp_path, drawn):
    runs = [write_run(tmp_path / f"an_experiment_with_a_long_name_{number}", [0.3, 0.4]) for number in range(9)]
    drawing.plot_curves(runs, "curves.png")
    drawn[0].draw_without_rendering()
    legend = drawn[0].legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= drawn[0].bbox.width
    assert legend.y1 <= drawn[0].axes[0].get_window_extent().y0
