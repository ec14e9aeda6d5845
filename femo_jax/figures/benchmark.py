"""Models side by side on several data sets."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from femo_jax.figures.style import check_format, percent_axis, save_figure

_PANELS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "expected calibration error"}


def plot_benchmark(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Draws accuracy, macro-F1 and calibration error of each model on each data set, with bootstrap intervals.

    Args:
      rows: of `femo_jax.evaluate.benchmark.benchmark`.
      path: of the figure.

    Raises:
      FemoError: the suffix is of no figure format, or the file cannot be written.
    """
    check_format(path)
    data = list(dict.fromkeys(row["data"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    height = 1.4 + 0.3 * len(data) * (len(models) + 1)
    figure = Figure(figsize=(11, height), layout="constrained")
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (metric, title) in zip(panels, _PANELS.items(), strict=True):
        for number, model in enumerate(models):
            of_model = [row for row in rows if row["model"] == model]
            places = [data.index(row["data"]) + 0.7 * ((number + 0.5) / len(models) - 0.5) for row in of_model]
            values = [row["metrics"][metric] for row in of_model]
            errors = [[of["value"] - of["low"] for of in values], [of["high"] - of["value"] for of in values]]
            errors = [[max(0.0, length) for length in side] for side in errors]
            axes.errorbar(
                [of["value"] for of in values], places, xerr=errors, fmt="o", color=f"C{number}", capsize=3, label=model
            )
        axes.set_title(title)
        axes.set_ylim(len(data) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.grid(axis="x", alpha=0.3)
        percent_axis(axes.xaxis)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(data)), [os.path.basename(name.rstrip("/")) for name in data])  # noqa: PTH119
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)
