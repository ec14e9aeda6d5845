"""Which labels do the faces of clips get, frame by frame and as they are shown?

python tools/label_distribution.py CLIP... [--model small] [--json F] [--figure F]

A recogniser that says much the same of every face, as some of them see anger everywhere, shows here. `labels.py` says
how it is counted: each label by the time for which faces have it. A clip takes about as long as it lasts.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro
from labels import ClipLabels, Options, labels_of_clips
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich.console import Console
from rich.table import Table

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import FemoError
from femo_jax.figures.style import check_format, save_figure
from femo_jax.files import write_json


@dataclass(frozen=True)
class DistributionOptions(Options):
    """Prints the share of each label over the faces of clips, frame by frame and as shown."""

    figure: Path | None = None
    """Draw the shares here (.png, .pdf or .svg)."""


def distribution(labels: ClipLabels) -> dict:
    """Results of a clip: the share of the time of each emotion, 0 where no face has it."""
    return {
        "tracks": labels.tracks,
        "face_seconds": labels.face_seconds,
        "raw": _of_all_emotions(labels.raw.shares),
        "shown": _of_all_emotions(labels.shown.shares),
    }


def _of_all_emotions(shares: Mapping[str, float]) -> dict[str, float]:
    return {label: shares.get(label, 0.0) for label in EMOTIONS}


def print_tables(results: Mapping[str, dict], console: Console) -> None:
    """Prints a table a clip, with a line for each way of counting."""
    for name, result in results.items():
        title = f"{name}: {result['tracks']} tracks, {result['face_seconds']:.1f} face-seconds"
        table = Table("", *EMOTIONS, title=title, title_justify="left")
        for way in ("raw", "shown"):
            table.add_row(way, *(f"{share:.0%}" for share in result[way].values()))
        console.print(table)


def plot(results: Mapping[str, dict], path: Path) -> None:
    """Draws a bar for each clip and way of counting, divided among the emotions."""
    bars = {f"{name}, {way}": result[way] for name, result in results.items() for way in ("raw", "shown")}
    figure = Figure(figsize=(9, 1.3 + 0.4 * len(bars)), layout="constrained")
    axes = figure.subplots()
    places = range(len(bars))
    left = [0.0] * len(bars)
    for emotion in Emotion:
        shares = [bar[emotion.label] for bar in bars.values()]
        colour = [value / 255 for value in emotion.rgb]
        axes.barh(places, shares, left=left, color=colour, edgecolor="white", label=emotion.label)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set_yticks(places, list(bars))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %", decimals=0))
    axes.set_xlabel("share of the time of faces")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(Emotion), frameon=False)
    save_figure(figure, path)


def main(options: DistributionOptions) -> None:
    """Measures clip after clip, prints the shares of each and of all of them, and writes what was asked for."""
    if options.figure:
        check_format(options.figure)
    results = {name: distribution(labels) for name, labels in labels_of_clips(options).items()}
    print_tables(results, Console())
    if options.json:
        write_json(options.json, results)
    if options.figure:
        plot(results, options.figure)


if __name__ == "__main__":
    try:
        main(tyro.cli(DistributionOptions, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
