"""The timeline of the faces of a log: stacked probabilities, and a band of labels."""

import os

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from femo_jax.figures.style import GREY, check_format, percent_axis, save_figure
from femo_jax.report.intervals import Step, aggregate, intervals
from femo_jax.report.log import FaceLog
from femo_jax.report.page import face_name, timeline_step
from femo_jax.report.palette import class_colors

MOST_FACES = 8
"""Faces in a figure; of more, those in sight for the longest time are drawn."""

_BAND = (-0.24, 0.18)  # lower edge and height of the labels, below the probabilities


def plot_timeline(log: FaceLog, path: str | os.PathLike[str], title: str = "", *, every: float | None = None) -> None:
    """Draws the faces of a log, one below the other; uncertain parts of the band of labels are hatched.

    Args:
      log: with any number of faces; of one without any, the figure says so.
      path: of the figure.
      title: above it.
      every: length in seconds of the steps over which probabilities are averaged; None chooses one that can be seen.

    Raises:
      ConfigError: the steps are too short.
      FemoError: as `check_format`, or the file cannot be written.
    """
    check_format(path)
    step = every if every is not None else timeline_step(log)
    seconds = {person: float(log.durations()[rows].sum()) for person, rows in log.by_person()}
    longest = sorted(seconds, key=lambda person: -seconds[person])[:MOST_FACES]
    persons = [person for person in log.persons if person in longest]
    steps = aggregate(log, step) if step > 0 else []
    bands = intervals(log)
    colors = class_colors(log.class_names)
    first = float(log.frame_times.min()) if len(log.frame_times) else 0.0
    last = float(log.frame_times.max()) + log.frame_step if len(log.frame_times) else 1.0

    figure = Figure(figsize=(10, 1.1 + 1.7 * max(len(persons), 1)), layout="constrained")
    rows = figure.subplots(max(len(persons), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axes, person in zip(rows, persons, strict=False):
        for run in _runs([each for each in steps if each.person == person]):
            edges = np.array([run[0].start, *(each.end for each in run)]) - first
            heights = np.cumsum([[0.0, *each.probabilities] for each in run], axis=1)
            for number, name in enumerate(log.class_names):
                axes.stairs(heights[:, number + 1], edges, baseline=heights[:, number], fill=True, color=colors[name])
        for band in bands:
            if band.person == person:
                place = [(band.start - first, max(band.seconds, 1e-3))]
                hatch = {"hatch": "//////", "edgecolor": "black"} if band.uncertain else {"edgecolor": "none"}
                axes.broken_barh(place, _BAND, facecolor=colors[band.label], linewidth=0, **hatch)
        axes.set_title(face_name(person), loc="left", fontsize=10)
        axes.set_ylim(_BAND[0], 1.0)
        percent_axis(axes.yaxis)
        axes.set_yticks([0.0, 0.5, 1.0])
        axes.spines[["top", "right"]].set_visible(False)
    if not persons:
        rows[0].text(0.5, 0.5, "no face", color=GREY, ha="center", va="center", transform=rows[0].transAxes)
        rows[0].set_yticks([])
    rows[-1].set_xlabel("time [s]")
    rows[-1].set_xlim(0.0, max(last - first, 1e-3))
    left_out = len(seconds) - len(persons)
    more = f"the {len(persons)} faces of {len(seconds)} that were in sight the longest" if left_out else ""
    figure.suptitle(", ".join(part for part in (title, more) if part), fontsize=12)
    handles = [Patch(facecolor=color, label=name) for name, color in colors.items()]
    handles.append(Patch(facecolor="white", edgecolor="black", hatch="//////", label="uncertain"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), frameon=False)
    save_figure(figure, path)


def _runs(steps: list[Step]) -> list[list[Step]]:
    """Steps that follow each other without a gap."""
    runs: list[list[Step]] = []
    for step in steps:
        if runs and np.isclose(runs[-1][-1].end, step.start):
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs
