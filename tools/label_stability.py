"""How often do the labels of faces change in a clip, frame by frame and smoothed?

python tools/label_stability.py CLIP... [--model F] [--json F] [--config.track.smoothing-ms 300 ...]

`labels.py` says how it is counted. A clip takes about as long as it lasts.
"""

import sys

import tyro
from labels import ClipLabels, Options, labels_of_clips
from rich.console import Console
from rich.table import Table

from femo_jax.errors import FemoError
from femo_jax.files import write_json


def summary(labels: ClipLabels) -> dict:
    """Results: changes a face-second, and the share of the time of each label."""
    total = labels.face_seconds
    return {
        "tracks": labels.tracks,
        "face_seconds": total,
        "raw_changes": labels.raw.changes / total,
        "shown_changes": labels.shown.changes / total,
        "labels": labels.shown.shares,
    }


def main(options: Options) -> None:
    """Measures clip after clip and prints a line for each, and one for all of them."""
    results = {name: summary(labels) for name, labels in labels_of_clips(options).items()}
    table = Table("clip", "tracks", "face-seconds", "raw", "shown", "fewer", title="changes of the label a face-second")
    for name, result in results.items():
        raw, shown = result["raw_changes"], result["shown_changes"]
        seconds, fewer = f"{result['face_seconds']:.1f}", f"{raw / shown:.1f}x" if shown else "none left"
        table.add_row(name, str(result["tracks"]), seconds, f"{raw:.2f}", f"{shown:.2f}", fewer)
    console = Console()
    console.print(table)
    for name, result in results.items():
        console.print(f"{name}:", ", ".join(f"{label} {share:.0%}" for label, share in result["labels"].items()))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
