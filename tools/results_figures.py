"""Figures of the results page: accuracy over multiply-adds, and accuracy over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from adjustText import adjust_text
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from femo_jax.figures.style import BLUE, ORANGE, save_figure

MILESTONES = (0.60, 0.65, 0.68, 0.70)
"""Accuracies on PublicTest to which minutes are reported."""


class Times(NamedTuple):
    """How the validation accuracy of a configuration rose: `minutes`, `accuracy`, each `[epochs]`, means over seeds."""

    minutes: np.ndarray
    accuracy: np.ndarray

    def minutes_to(self, accuracy: float) -> float | None:
        """When it was first reached, at the end of an epoch; None if never."""
        reached = np.flatnonzero(self.accuracy >= accuracy)
        return float(self.minutes[reached[0]]) if len(reached) else None


def read_times(runs: Sequence[Sequence[Mapping[str, Any]]]) -> Times:
    """The times of the runs of one configuration, given as metric records: training, validation and compilation."""
    minutes, accuracy = [], []
    for records in runs:
        validation = [record for record in records if record["split"] == "validation"]
        seconds = np.array([record["seconds"] for record in records]).reshape(len(validation), -1).sum(axis=1)
        minutes.append(np.cumsum(seconds) / 60)
        accuracy.append([record["accuracy"] for record in validation])
    return Times(np.mean(minutes, axis=0), np.mean(accuracy, axis=0))


class Point(NamedTuple):
    """A network in the figure of cost: multiply-adds of one view, and accuracy in 0..1 with its standard deviation."""

    name: str
    multiply_adds: float
    accuracy: float
    deviation: float
    marker: str


MARKERS = {
    "femo": ("o", BLUE, BLUE, "femo, flip TTA"),
    "selected on PublicTest": ("s", ORANGE, ORANGE, "published, ten-crop TTA, selected on PublicTest"),
    "selected on PrivateTest": ("s", ORANGE, "none", "published, ten-crop TTA, selected on PrivateTest"),
}
"""Shape, edge colour, face colour and text of the legend."""


def draw_cost(panels: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Accuracy over multiply-adds, a panel for each split: results on different splits do not share an axis."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, (split, points) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        names = []
        for name, cost, accuracy, deviation, marker in points:
            shape, edge, face, _ = MARKERS[marker]
            axes.errorbar(
                cost, accuracy, yerr=deviation, fmt=shape, color=edge, ecolor=edge, markerfacecolor=face, capsize=3
            )
            text = axes.text(cost, accuracy, name, fontsize=8, ha="center", zorder=1.5)
            text.set_path_effects([withStroke(linewidth=3, foreground="white")])  # a line of another name ends at it
            names.append(text)
        drawn = list(axes.lines)
        for marker in dict.fromkeys(point.marker for point in points):
            shape, edge, face, text = MARKERS[marker]
            axes.plot([], [], shape, color=edge, markerfacecolor=face, label=text)
        legend = axes.legend(loc="lower right", fontsize=8)
        axes.margins(0.12, 0.12)
        axes.set_xscale("log")
        axes.set_xlabel("multiply-adds of one view")
        axes.set_ylabel(f"accuracy on {split}")
        figure.draw_without_rendering()  # names are moved where the layout is settled
        adjust_text(
            names,
            ax=axes,
            objects=[legend, *drawn],
            expand=(1.2, 1.9),
            iter_lim=300,  # its default is a time, so that the figure would depend on the machine's speed
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.7},
        )
    _finish(figure, path)


def draw_times(times: Mapping[str, Times], path: Path) -> None:
    """Validation accuracy over minutes of training."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for name, of in times.items():
        axes.plot(of.minutes, of.accuracy, label=name)
    for milestone in MILESTONES:
        axes.axhline(milestone, color="#999999", linewidth=0.8, linestyle=":")
    axes.legend(loc="lower right")
    axes.set_ylim(bottom=0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes of training on two CPU cores")
    axes.set_ylabel("accuracy on PublicTest")
    _finish(figure, path)


def draw_risk_coverage(rows: Sequence[Mapping[str, Any]], threshold: float, path: Path) -> None:
    """Share of errors over the share of faces that are not uncertain, a panel for each model; marks a threshold."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    models = list(dict.fromkeys(row["model"] for row in rows))
    for axes, model in zip(figure.subplots(1, len(models), sharey=True), models, strict=True):
        for row, color in zip((row for row in rows if row["model"] == model), (BLUE, ORANGE), strict=True):
            for prior, line in (("training", ":"), ("everyday", "-")):
                curve = row["risk_coverage"][prior]
                axes.plot(curve["coverage"], curve["risk"], line, color=color, label=f"{row['detector']}, {prior}")
                (marked,) = (each for each in curve["thresholds"] if each["threshold"] == threshold)
                axes.plot(marked["coverage"], marked["risk"], "o", color=color)
        axes.set_title(model)
        axes.set_xlabel("coverage: share of the faces that are kept")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.legend(loc="lower right", fontsize=8)
    figure.axes[0].set_ylabel("risk: share of wrong labels among them")
    _finish(figure, path)


def _finish(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
