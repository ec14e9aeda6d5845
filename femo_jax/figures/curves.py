"""Accuracy and loss by epoch, of one or several runs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from femo_jax.errors import CheckpointError, FemoError
from femo_jax.figures.style import BLUE, GREY, LIGHT_BLUE, ORANGE, check_format, percent_axis, save_figure
from femo_jax.train.workdir import METRICS_FILE, read_records

# The same palette without its yellow, which is faint as a line on white.
_RUN_COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", LIGHT_BLUE, "#E69F00", "#000000")
_LEGEND_CHARACTERS = 130  # that fit beside each other under the curves


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
    accuracy.set_ylabel("accuracy")
    percent_axis(accuracy.yaxis)
    loss.set_ylabel("cross-entropy [nats]")
    training = Line2D([], [], color=GREY, linewidth=1.2, linestyle="--", label="training, augmented images")
    validation = Line2D([], [], color=GREY, linewidth=1.8, label="validation")
    loss.legend(handles=[training, validation], frameon=False)
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), _LEGEND_CHARACTERS // (longest + 8)))
    figure.set_size_inches(10, 4.2 + 0.22 * -(-len(handles) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    save_figure(figure, path)


def _run_names(runs: Sequence[Path]) -> list[str]:
    """The shortest end of each run's path that distinguishes the runs."""
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
    """Puts a dot at the best epoch, as training keeps it; returns the words for the legend."""
    if "validation" not in run or not np.isfinite(run["validation"].accuracy).any():
        return ""
    curve = run["validation"]
    best = int(np.lexsort((curve.loss, -np.nan_to_num(curve.accuracy, nan=-1.0)))[0])
    axes.plot(curve.epoch[best], curve.accuracy[best], "o", color=colour, markersize=6)
    return f" (best {100 * curve.accuracy[best]:.1f} % at epoch {curve.epoch[best]:g})"
