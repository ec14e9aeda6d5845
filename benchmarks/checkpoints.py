"""Short epochs with a checkpoint after each, and with checkpoints at least ten seconds apart, in turn.

python benchmarks/checkpoints.py [--json F]

Epochs of a small network on drawn faces are short, as those of FemoNet on FER-2013 are on a GPU.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from harness import ProcessorTime, machine
from report import DISTURBED, NO_CONCLUSION

from femo_jax.data.drawn import drawn_split
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.train import loop
from femo_jax.train.config import TrainConfig
from femo_jax.train.progress import SilentReporter

CONFIG = TrainConfig(
    model_options={"widths": (6, 8, 12, 16)},
    batch_size=128,
    learning_rate=0.05,
    ema_decay=0.98,
)


@dataclass(frozen=True)
class Options:
    """Compares a checkpoint after every epoch with checkpoints at least ten seconds apart."""

    rounds: int = 3
    """Turns of each side."""
    epochs: int = 8
    """Of a turn, after the first, which compiles."""
    json: Path | None = None
    """Write everything measured to this file."""


class Stopwatch(SilentReporter):
    """Seconds from the end of the first epoch to the end of the run, with its last checkpoint."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.seconds = 0.0

    def epoch(self, *_: Any) -> None:
        """Starts the watch."""
        self.began = self.began or time.perf_counter()

    def stop(self) -> None:
        """Stops it."""
        self.seconds = time.perf_counter() - (self.began or 0.0)


def measure(options: Options) -> dict[str, Any]:
    """Seconds of each turn by side, medians an epoch, and their ratio; None where other programs were busy."""
    splits = drawn_split("train"), drawn_split("validation")
    sides = {"every epoch": 0.0, "10 s apart": loop.SAVE_EVERY}
    turns: dict[str, list[float]] = {name: [] for name in sides}
    config = TrainConfig(**{**vars(CONFIG), "epochs": options.epochs + 1})
    order, others, own = list(sides), ProcessorTime(), time.process_time()
    for number in range(options.rounds + 1):
        for name in order:
            loop.SAVE_EVERY = sides[name]
            watch = Stopwatch()
            with tempfile.TemporaryDirectory() as folder:
                loop.train(config, Path(folder), *splits, watch, loader="numpy")
            if number:  # the first turn of each fills JAX's cache
                turns[name].append(watch.seconds)
        order.reverse()
    loop.SAVE_EVERY = sides["10 s apart"]
    busy = others.share_beside(time.process_time() - own)
    each = {name: statistics.median(seconds) / options.epochs for name, seconds in turns.items()}
    return {
        "machine": {**machine(), "others": busy},
        "epochs": options.epochs,
        "turns_seconds": turns,
        "seconds_an_epoch": each,
        "ratio": each["every epoch"] / each["10 s apart"] if busy <= DISTURBED else None,
    }


def main(options: Options) -> None:
    """Measures and prints; writes what was asked for."""
    report = measure(options)
    for name, seconds in report["seconds_an_epoch"].items():
        print(f"{name:<12} {1e3 * seconds:6.0f} ms an epoch")
    others = f"other programs took {report['machine']['others']:.0%} of the processors. {NO_CONCLUSION}"
    print(f"ratio        {report['ratio']:.2f}" if report["ratio"] else others)
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
