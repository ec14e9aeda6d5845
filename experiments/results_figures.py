"""The figures of `results.md`: accuracy over multiply-adds beside published networks, and accuracy over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from adjustText import adjust_text
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from femo_jax.evaluate.summary import Row, deviation, mean
from femo_jax.figures.style import BLUE, ORANGE, save_figure
from femo_jax.train.metric_log import METRICS_FILE, read_records

MILESTONES = (0.60, 0.65, 0.68, 0.70)
"""Accuracies of PublicTest whose time is told."""


class Published(NamedTuple):
    """A network of the literature, with its accuracy on PrivateTest."""

    name: str
    multiply_adds: float
    accuracy: float
    clean: bool
    """Whether the checkpoint was chosen on other pictures than those of the accuracy."""


PUBLISHED = (
    # WuJie1010's, with ten crops; counted from the layers of the code, for the crops of 44x44 pixels that it takes.
    Published("VGG19", 676e6, 0.7311, clean=False),
    Published("ResNet18", 1098e6, 0.7297, clean=False),
    # Pham et al. 2020, from ImageNet's weights, with ten views; counts of torchvision's documentation, at 224x224.
    Published("DenseNet121", 2.83e9, 0.7316, clean=True),
    Published("ResNet34", 3.66e9, 0.7242, clean=True),
)


class Times(NamedTuple):
    """How the validation accuracy of a configuration rose: `minutes`, `accuracy`, each `[epochs]`, means over seeds."""

    minutes: np.ndarray
    accuracy: np.ndarray

    def minutes_to(self, accuracy: float) -> float | None:
        """When it was first reached, at the end of an epoch; None if never."""
        reached = np.flatnonzero(self.accuracy >= accuracy)
        return float(self.minutes[reached[0]]) if len(reached) else None


def read_times(runs: Sequence[Path]) -> Times:
    """The times of the runs of one configuration, training and validation together, compilation included."""
    minutes, accuracy = [], []
    for run in runs:
        records = read_records(run / METRICS_FILE)
        validation = [record for record in records if record["split"] == "validation"]
        seconds = np.array([record["seconds"] for record in records]).reshape(len(validation), -1).sum(axis=1)
        minutes.append(np.cumsum(seconds) / 60)
        accuracy.append([record["accuracy"] for record in validation])
    return Times(np.mean(minutes, axis=0), np.mean(accuracy, axis=0))


def draw_cost(rows: Sequence[Row], path: Path) -> None:
    """Accuracy with the mirrored view over multiply-adds a view, beside published networks."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplots()
    names = []
    for row in rows:
        accuracy = mean(row.mirrored_accuracy)
        axes.errorbar(
            row.multiply_adds, accuracy, yerr=deviation(row.mirrored_accuracy) or 0, fmt="o", color=BLUE, capsize=3
        )
        names.append(axes.text(row.multiply_adds, accuracy, row.label, fontsize=8, ha="center"))
    for network in PUBLISHED:
        point = network.multiply_adds, network.accuracy
        axes.plot(*point, "s", color=ORANGE, markerfacecolor=ORANGE if network.clean else "none")
        names.append(axes.text(*point, network.name, fontsize=8, ha="center"))
    points = list(axes.lines)
    axes.plot([], [], "o", color=BLUE, label="femo: PublicTest, mirrored view, mean and deviation over seeds")
    axes.plot([], [], "s", color=ORANGE, label="published: PrivateTest, chosen on PublicTest")
    axes.plot([], [], "s", color=ORANGE, markerfacecolor="none", label="published: PrivateTest, chosen on it")
    legend = axes.legend(loc="lower right", fontsize=8)
    axes.margins(0.08, 0.1)
    axes.set_xscale("log")
    axes.set_xlabel("multiply-adds of one view")
    axes.set_ylabel("accuracy on FER-2013")
    figure.draw_without_rendering()  # names are moved where the layout is settled
    adjust_text(
        names,
        ax=axes,
        objects=[legend, *points],
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


def _finish(figure: Figure, path: Path) -> None:
    axes = figure.axes[0]
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
