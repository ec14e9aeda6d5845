"""Validation accuracy of several runs: by epoch, and of each seed."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from femo_jax.errors import FemoError
from femo_jax.evaluate.summary import Row, deviation
from femo_jax.figures.curves import Curve, read_curves
from femo_jax.figures.style import check_format, percent_axis, save_figure

_MANY = 10  # labels; more than that have no colours of their own that a reader could distinguish
_EARLY = 0.3  # share of the epochs whose steep rise may lie below the figure


def plot_summary(
    rows: Sequence[Row], runs: Mapping[str, Mapping[int, Path]], path: str | os.PathLike[str], title: str
) -> None:
    """Draws validation accuracy by epoch, averaged over seeds, and that of each seed's best epoch.

    A label has one colour in both. Its name stands on the right, in the order of `rows`, without what all have in
    common, which goes to the title.

    Args:
      rows: of `femo_jax.evaluate.summary.read_rows`; those without a finished seed are left out.
      runs: run folders by label and seed, of `femo_jax.evaluate.summary.run_folders`.
      path: of the figure.
      title: of the whole.

    Raises:
      FemoError: no row has a finished seed, or as `femo_jax.figures.style.check_format`.
      CheckpointError: a metric log is damaged.
    """
    check_format(path)
    rows = [row for row in rows if row.seeds]
    if not rows:
        raise FemoError(f"{path}: no finished run to draw. Wait for the first one")
    figure = Figure(figsize=(13, 2.4 + 0.3 * max(len(rows), 6)), layout="constrained")
    by_epoch, by_label = figure.subplots(1, 2, width_ratios=(1.1, 1))
    colours = _colours(len(rows))
    curves = [_mean_curve([runs[row.label][seed] for seed in row.seeds]) for row in rows]
    _draw_curves(by_epoch, curves, colours)
    common, names = _short_names([row.label for row in rows])
    _draw_seeds(by_label, rows, names, colours)
    for axes in (by_epoch, by_label):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}: {common}" if common else title)
    save_figure(figure, path)


def _colours(labels: int) -> list[Any]:
    """One for each label; where there are many they go by rank, from blue to red."""
    if labels <= _MANY:
        return list(colormaps["tab10"].colors[:labels])  # pyright: ignore[reportAttributeAccessIssue]
    return list(colormaps["turbo"](np.linspace(0.05, 0.95, labels)))


def _short_names(labels: Sequence[str]) -> tuple[str, list[str]]:
    """What all labels share, and each without it: `net,a=1` and `net,a=2` -> `net`, (`a=1`, `a=2`)."""
    parts = [label.split(",") for label in labels]
    common = [part for part in parts[0] if all(part in others for others in parts)]
    short = [",  ".join(part for part in label if part not in common) for label in parts]
    return (", ".join(common), short) if all(short) else ("", list(labels))


def _mean_curve(runs: Sequence[Path]) -> Curve:
    curves = [read_curves(run)["validation"] for run in runs]
    loss, accuracy = (np.mean([getattr(curve, name) for curve in curves], axis=0) for name in ("loss", "accuracy"))
    return Curve(curves[0].epoch, loss, accuracy)


def _draw_curves(axes: Axes, curves: Sequence[Curve], colours: Sequence[Any]) -> None:
    # The best are drawn last, on top.
    for curve, colour in reversed(list(zip(curves, colours, strict=True))):
        marker = "o" if len(curve.epoch) < 3 else None  # a line through one epoch would not be seen
        axes.plot(curve.epoch, curve.accuracy, color=colour, linewidth=1.6, marker=marker, markersize=4)
    shown = [curve.accuracy[int(_EARLY * len(curve.epoch)) :] for curve in curves]
    low, high = min(part.min() for part in shown), max(part.max() for part in shown)
    margin = 0.05 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(0, 1.02 * max(curve.epoch[-1] for curve in curves))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    percent_axis(axes.yaxis)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation accuracy")
    axes.set_title("By epoch, mean over seeds")


def _draw_seeds(axes: Axes, rows: Sequence[Row], names: Sequence[str], colours: Sequence[Any]) -> None:
    for place, (row, colour) in enumerate(zip(rows, colours, strict=True)):
        middle, around = float(np.mean(row.accuracy)), deviation(row.accuracy)
        axes.plot(row.accuracy, [place] * len(row.accuracy), "o", color=colour, markersize=6, alpha=0.5, mew=0)
        axes.plot([middle], [place], "|", color=colour, markersize=14, markeredgewidth=2.5)
        text = f"{100 * middle:.2f}" + (f" ± {100 * around:.2f}" if around is not None else "") + " %"
        # Beside the axes, at the height of the row.
        axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    percent_axis(axes.xaxis)
    axes.set_xlabel("validation accuracy of the best epoch")
    axes.set_title("Each seed, and the mean as a bar")
