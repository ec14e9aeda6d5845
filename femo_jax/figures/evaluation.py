"""Confusion and reliability of a model on a split."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from femo_jax.evaluate.calibration import expected_calibration_error, reliability
from femo_jax.evaluate.metrics import confusion_matrix
from femo_jax.figures.style import GREY, LIGHT_BLUE, ORANGE, check_format, percent_axis, save_figure


def plot_confusion(
    confusion: np.ndarray | Sequence[Sequence[int]],
    class_names: Sequence[str],
    path: str | os.PathLike[str],
    title: str = "Confusion",
) -> None:
    """Draws a confusion matrix: in each cell the share of its true class (- if it has no images) and the count.

    Args:
      confusion: `[c, c] int` counts; row = true class, column = predicted class.
      class_names: of the c classes.
      path: of the figure.
      title: to which the accuracy is added.

    Raises:
      FemoError: as `check_format`.
    """
    check_format(path)
    grow = _growth(class_names)
    figure = Figure(figsize=(7.2 * grow, 6.4 * grow), layout="constrained")
    _draw_confusion(figure.subplots(), np.asarray(confusion), class_names, title)
    save_figure(figure, path)


def plot_reliability(
    probabilities: np.ndarray, labels: np.ndarray, path: str | os.PathLike[str], title: str = "Reliability"
) -> None:
    """Draws accuracy by confidence, over a histogram of the confidence.

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
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    path: str | os.PathLike[str],
    title: str = "",
) -> None:
    """Draws confusion and reliability side by side under a common title; arguments as of the two figures."""
    check_format(path)
    grow = _growth(class_names)
    figure = Figure(figsize=(7.2 * grow + 5.2, 6.6 * grow), layout="constrained")
    axes = figure.subplot_mosaic("AB;AC", width_ratios=(7.2 * grow, 5.0), height_ratios=(3, 1))
    confusion = confusion_matrix(np.asarray(probabilities).argmax(axis=1), np.asarray(labels), len(class_names))
    _draw_confusion(axes["A"], confusion, class_names, "Confusion")
    _draw_reliability(axes["B"], axes["C"], probabilities, labels, "Reliability")
    figure.suptitle(title, fontsize="x-large")
    save_figure(figure, path)


def _growth(class_names: Sequence[str]) -> float:
    """By how much a figure with a cell for each pair of classes is larger than that of eight."""
    return max(1.0, len(class_names) / 8)


def _draw_confusion(axes: Axes, confusion: np.ndarray, class_names: Sequence[str], title: str) -> None:
    present = confusion.sum(axis=1)
    share = confusion / np.maximum(present, 1)[:, None]
    axes.imshow(share, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(confusion.shape):
        colour = "white" if share[row, column] > 0.6 else "black"
        text = f"{100 * share[row, column]:.1f} %" if present[row] else "-"
        axes.text(column, row - 0.12, text, ha="center", va="center", color=colour, fontsize=10)
        text = f"{confusion[row, column]:,}"
        axes.text(column, row + 0.22, text, ha="center", va="center", color=colour, fontsize=8)
    places, turned = range(len(class_names)), max(map(len, class_names)) > 10
    axes.set_xticks(places, class_names, rotation=30 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(places, [f"{name}\nn = {n:,}" for name, n in zip(class_names, present, strict=True)])
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (rows sum to 100 %)")
    total = int(confusion.sum())
    axes.set_title(f"{title}: {100 * confusion.trace() / max(total, 1):.1f} % accuracy")


def _draw_reliability(chart: Axes, histogram: Axes, probabilities: np.ndarray, labels: np.ndarray, title: str) -> None:
    binned = reliability(np.asarray(probabilities), np.asarray(labels))
    left, width, filled = binned.edges[:-1], np.diff(binned.edges), binned.count > 0
    bars: dict[str, Any] = {"align": "edge", "edgecolor": "white"}
    chart.bar(left, binned.accuracy, width, color=LIGHT_BLUE, label="accuracy", **bars)
    gap = (binned.confidence - binned.accuracy)[filled]
    look: dict[str, Any] = {"facecolor": "none", "hatch": "////", "edgecolor": ORANGE, "align": "edge"}
    chart.bar(
        left[filled], gap, width[filled], bottom=binned.accuracy[filled], label="gap to the mean confidence", **look
    )
    chart.plot([0, 1], [0, 1], "--", color=GREY, label="perfectly calibrated")
    chart.set_ylim(0, 1)
    chart.tick_params(labelbottom=False)
    chart.set_ylabel("accuracy")
    chart.set_title(f"{title}: expected calibration error {100 * expected_calibration_error(binned):.1f} %")
    chart.legend(loc="upper left", framealpha=0.9, edgecolor="none")  # bars may reach behind it
    histogram.bar(left, binned.count, width, color=GREY, **bars)
    histogram.set_ylabel("images")
    histogram.set_xlabel("confidence (probability of the predicted class)")
    percent_axis(chart.yaxis)
    percent_axis(histogram.xaxis)
    for part in (chart, histogram):
        part.set_xlim(0, 1)
        part.grid(alpha=0.3)
        part.set_axisbelow(True)
        part.spines[["top", "right"]].set_visible(False)
