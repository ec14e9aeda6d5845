"""Accuracy of a model under each corruption."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from femo_jax.figures.style import GREY, LIGHT_BLUE, ORANGE, check_format, percent_axis, save_figure

_LIGHT_GREY = "#BBBBBB"


def plot_robustness(result: Mapping[str, Any], path: str | os.PathLike[str], title: str) -> None:
    """Draws the accuracy under each corruption as a bar, and the mean confidence as a mark that should be at its end.

    Args:
      result: of `femo_jax.evaluate.robustness.robustness`.
      path: of the figure.
      title: to which the mean accuracy under corruption is added.

    Raises:
      FemoError: the suffix is of no figure format, or the file cannot be written.
    """
    check_format(path)
    rows = {"clean": result["clean"], **result["corrupted"]}
    accuracy, confidence = (np.array([metrics[key] for metrics in rows.values()]) for key in ("accuracy", "confidence"))
    places = list(range(len(rows)))
    figure = Figure(figsize=(9, 1.4 + 0.27 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.barh(places[1:], accuracy[1:], color=LIGHT_BLUE, label="accuracy")
    axes.barh(places[:1], accuracy[:1], color=_LIGHT_GREY)
    axes.plot(confidence, places, "|", color=ORANGE, markersize=11, markeredgewidth=2, label="mean confidence")
    axes.axvline(accuracy[0], color=GREY, linestyle="--", linewidth=1)
    for place, value in zip(places, accuracy, strict=True):
        difference = "" if place == 0 else f"  ({100 * (value - accuracy[0]):+.1f})"
        axes.text(0.01, place, f"{100 * value:.1f} %{difference}", va="center", fontsize=9)
    axes.set_yticks(places, list(rows))
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlim(0, 1)
    percent_axis(axes.xaxis)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{title}: {100 * result['mean_accuracy']:.1f} % mean accuracy on corrupted images")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)
