"""Time of one face on one CPU core, by each shipped model.

python benchmarks/face.py [--json F]

One face crop at a time goes through `EmotionRecognizer.classify`: preprocessing, network, calibrated probabilities. The
process is bound to one core, and processor time is measured, so that other programs hardly change the result.
"""

import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from femo_jax import EmotionRecognizer, weights
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.runtime import processor_name


@dataclass(frozen=True)
class Options:
    """Times one face on one core."""

    calls: int = 300
    """Calls per model, after 20 that do not count."""
    json: Path | None = None
    """Write the result here."""


def milliseconds(recognizer: EmotionRecognizer, calls: int) -> dict[str, float]:
    """Median and 95th percentile of the processor time of a call with one face, in ms."""
    crops = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    spent = []
    for call in range(20 + calls):
        start = time.process_time()
        recognizer.classify(crops)
        if call >= 20:
            spent.append(1000 * (time.process_time() - start))
    return {"median": statistics.median(spent), "p95": statistics.quantiles(spent, n=20)[-1]}


def main(options: Options) -> None:
    """Measures each shipped model and prints a line for each."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before JAX starts its threads
    measured = {name: milliseconds(EmotionRecognizer.load(name), options.calls) for name in weights.shipped_names()}
    for name, of in measured.items():
        Console().print(f"{name}: {of['median']:.1f} ms a face, 95 % of calls within {of['p95']:.1f} ms")
    if options.json:
        machine = {"processor": processor_name(), "python": platform.python_version(), "calls": options.calls}
        write_json(options.json, {"milliseconds": measured, "machine": machine})


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
