"""Figures: curves of runs, confusion and reliability; png, pdf or svg by the suffix of the path.

Figures are made without pyplot, so that no global backend or state is touched.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import CheckpointError, FemoError
from femo_jax.evaluate.calibration import expected_calibration_error, reliability
from femo_jax.evaluate.metrics import confusion_matrix
from femo_jax.files import replacing
from femo_jax.train.metric_log import METRICS_FILE, read_records

FORMATS = (".png", ".pdf", ".svg")

BLUE, LIGHT_BLUE, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#666666"
"""Colours of femo's figures: three of Okabe and Ito's palette (2008), and a grey for what stands beside them."""

# The same palette without its yellow, which is faint as a line on white.
_RUN_COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", LIGHT_BLUE, "#E69F00", "#000000")
_LEGEND_CHARACTERS = 130  # that fit beside each other under the curves


def check_format(path: str | os.PathLike[str]) -> None:
    """Makes sure that a figure can be written as `path`, for a caller about to work long before it draws.

    Raises:
      FemoError: the suffix is none of `FORMATS`.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise FemoError(f"{path}: unknown figure format; choose a name that ends in {', '.join(FORMATS)}.")


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Writes a figure to `path` as a whole or not at all, at `dpi` dots an inch where the format has dots.

    Raises:
      FemoError: the file cannot be written; its old contents are kept.
    """
    with replacing(path) as beside:
        figure.savefig(beside, dpi=dpi)


# Curves of runs


class Curve(NamedTuple):
    """One split of one run: `epoch`, `loss` (nats) and `accuracy` (0..1), each `[epochs] float64`."""

    epoch: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray


def read_curves(run: str | os.PathLike[str]) -> dict[str, Curve]:
    """The curves in a `metrics.jsonl`, by split, also of a run still in progress.

    Args:
      run: a workdir or its `metrics.jsonl`.

    Raises:
      CheckpointError: there is no such file, it has no finished epoch yet, or a line is not one of femo's.
    """
    path = Path(run)
    path = path / METRICS_FILE if path.is_dir() else path
    by_split: dict[str, dict[float, tuple[float, float]]] = {}
    for number, record in enumerate(read_records(path), start=1):
        try:
            point = float(record["loss"]), float(record["accuracy"])
            by_split.setdefault(record["split"], {})[float(record["epoch"])] = point
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}, line {number}: not a line of metrics ({str(record)[:60]}); expected split, epoch, loss and"
                " accuracy. Name a run of `femo train`"
            ) from error
    if not by_split:
        raise CheckpointError(f"{path}: no finished epoch yet. Wait for the first one")
    return {split: _curve(points) for split, points in by_split.items()}


def _curve(points: Mapping[float, tuple[float, float]]) -> Curve:
    epochs = sorted(points)
    values = np.array([points[epoch] for epoch in epochs])
    return Curve(np.array(epochs), values[:, 0], values[:, 1])


def plot_curves(runs: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str]) -> None:
    """Draws accuracy and loss by epoch, of training and validation, of one or several runs.

    The best validation accuracy of each run is marked and stands in the legend.

    Args:
      runs: workdirs or `metrics.jsonl` files, also of runs still in progress.
      path: of the figure.

    Raises:
      FemoError: no run is named, or as `read_curves` and `check_format`.
    """
    if not runs:
        raise FemoError("no run to plot; name at least one folder of `femo train`")
    check_format(path)
    names = _run_names([Path(run) for run in runs])
    curves = [read_curves(run) for run in runs]
    figure = Figure(layout="constrained")
    accuracy, loss = figure.subplots(1, 2)
    handles = []
    for number, (name, run) in enumerate(zip(names, curves, strict=True)):
        colour = _run_colour(number, len(runs))
        for split, style in (("train", "--"), ("validation", "-")):
            if split not in run:
                continue
            curve = run[split]
            # A line through a single epoch would not be seen.
            look: dict[str, Any] = {
                "color": colour,
                "linestyle": style,
                "marker": "." if len(curve.epoch) < 3 else None,
            }
            look |= {"linewidth": 1.2, "alpha": 0.75} if split == "train" else {"linewidth": 1.8}
            accuracy.plot(curve.epoch, curve.accuracy, **look)
            loss.plot(curve.epoch, curve.loss, **look)
        handles.append(Line2D([], [], color=colour, linewidth=1.8, label=name + _mark_best(accuracy, run, colour)))
    for axes, title in ((accuracy, "Accuracy"), (loss, "Loss")):
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    accuracy.set_ylabel("pictures classified right")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %", decimals=0))
    loss.set_ylabel("cross-entropy [nats]")
    training = Line2D([], [], color=GREY, linewidth=1.2, linestyle="--", label="training, as augmented")
    validation = Line2D([], [], color=GREY, linewidth=1.8, label="validation")
    loss.legend(handles=[training, validation], frameon=False)
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), _LEGEND_CHARACTERS // (longest + 8)))
    figure.set_size_inches(10, 4.2 + 0.22 * -(-len(handles) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    save_figure(figure, path)


def _run_names(runs: Sequence[Path]) -> list[str]:
    """The shortest end of each run's path that tells the runs apart."""
    folders = [(run.parent if run.is_file() else run).resolve() for run in runs]
    for depth in range(1, max(len(folder.parts) for folder in folders)):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            break
    return names


def _run_colour(number: int, runs: int) -> Any:
    if runs <= len(_RUN_COLOURS):
        return _RUN_COLOURS[number]
    return colormaps["turbo"](0.05 + 0.9 * number / (runs - 1))


def _mark_best(axes: Axes, run: Mapping[str, Curve], colour: Any) -> str:
    """Puts a dot at the best validation accuracy; returns what the legend says of it."""
    if "validation" not in run or not np.isfinite(run["validation"].accuracy).any():
        return ""
    curve = run["validation"]
    best = int(np.nanargmax(curve.accuracy))
    axes.plot(curve.epoch[best], curve.accuracy[best], "o", color=colour, markersize=6)
    return f" (best {100 * curve.accuracy[best]:.1f} % at epoch {curve.epoch[best]:g})"


# Confusion and reliability


def plot_confusion(
    confusion: np.ndarray | Sequence[Sequence[int]], path: str | os.PathLike[str], title: str = "Confusion"
) -> None:
    """Draws a confusion matrix: in each cell the share of its true class and the count.

    Args:
      confusion: `[7, 7] int` counts; row = true class, column = predicted class.
      path: of the figure.
      title: to which the number of pictures and the accuracy are added.

    Raises:
      FemoError: as `check_format`.
    """
    check_format(path)
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    _draw_confusion(figure.subplots(), np.asarray(confusion), title)
    save_figure(figure, path)


def plot_reliability(
    probabilities: np.ndarray, labels: np.ndarray, path: str | os.PathLike[str], title: str = "Reliability"
) -> None:
    """Draws how often predictions of a given confidence are right, over a histogram of the confidence.

    Args:
      probabilities: `[n, 7] float` of a softmax.
      labels: `[n] int` class indices.
      path: of the figure.
      title: to which the expected calibration error is added.

    Raises:
      FemoError: as `check_format`.
    """
    check_format(path)
    figure = Figure(figsize=(5.6, 6.6), layout="constrained")
    chart, histogram = figure.subplots(2, 1, height_ratios=(3, 1))
    _draw_reliability(chart, histogram, probabilities, labels, title)
    save_figure(figure, path)


def plot_evaluation(
    probabilities: np.ndarray, labels: np.ndarray, path: str | os.PathLike[str], title: str = ""
) -> None:
    """Draws confusion and reliability side by side under a common title; arguments as of `plot_reliability`."""
    check_format(path)
    figure = Figure(figsize=(12.4, 6.6), layout="constrained")
    axes = figure.subplot_mosaic("AB;AC", width_ratios=(7.2, 5.0), height_ratios=(3, 1))
    confusion = confusion_matrix(np.asarray(probabilities).argmax(axis=1), np.asarray(labels))
    _draw_confusion(axes["A"], confusion, "Confusion")
    _draw_reliability(axes["B"], axes["C"], probabilities, labels, "Reliability")
    figure.suptitle(title, fontsize="x-large")
    save_figure(figure, path)


def _draw_confusion(axes: Axes, confusion: np.ndarray, title: str) -> None:
    present = confusion.sum(axis=1)
    share = confusion / np.maximum(present, 1)[:, None]
    axes.imshow(share, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(confusion.shape):
        colour = "white" if share[row, column] > 0.6 else "black"
        text = f"{100 * share[row, column]:.1f} %"
        axes.text(column, row - 0.12, text, ha="center", va="center", color=colour, fontsize=10)
        text = f"{confusion[row, column]:,}"
        axes.text(column, row + 0.22, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_yticks(range(len(EMOTIONS)), [f"{label}\nn = {n:,}" for label, n in zip(EMOTIONS, present, strict=True)])
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (rows sum to 100 %)")
    total = int(confusion.sum())
    axes.set_title(f"{title}: {total:,} pictures, {100 * confusion.trace() / max(total, 1):.1f} % accuracy")


def _draw_reliability(chart: Axes, histogram: Axes, probabilities: np.ndarray, labels: np.ndarray, title: str) -> None:
    binned = reliability(np.asarray(probabilities), np.asarray(labels))
    left, width, filled = binned.edges[:-1], np.diff(binned.edges), binned.count > 0
    bars: dict[str, Any] = {"align": "edge", "edgecolor": "white"}
    chart.bar(left, binned.accuracy, width, color=LIGHT_BLUE, label="pictures classified right", **bars)
    gap = (binned.confidence - binned.accuracy)[filled]
    look: dict[str, Any] = {"facecolor": "none", "hatch": "////", "edgecolor": ORANGE, "align": "edge"}
    chart.bar(
        left[filled], gap, width[filled], bottom=binned.accuracy[filled], label="gap to the mean confidence", **look
    )
    chart.plot([0, 1], [0, 1], "--", color=GREY, label="perfectly calibrated")
    chart.set_ylim(0, 1)
    chart.tick_params(labelbottom=False)
    chart.set_ylabel("pictures classified right")
    chart.set_title(f"{title}: expected calibration error {100 * expected_calibration_error(binned):.1f} %")
    chart.legend(loc="upper left", framealpha=0.9, edgecolor="none")  # bars may reach behind it
    histogram.bar(left, binned.count, width, color=GREY, **bars)
    histogram.set_ylabel("pictures")
    histogram.set_xlabel("confidence (probability of the predicted class)")
    percent = PercentFormatter(1.0, symbol=" %", decimals=0)
    chart.yaxis.set_major_formatter(percent)
    histogram.xaxis.set_major_formatter(percent)
    for part in (chart, histogram):
        part.set_xlim(0, 1)
        part.grid(alpha=0.3)
        part.set_axisbelow(True)
        part.spines[["top", "right"]].set_visible(False)
