"""One process of data parallel training, on a core of its own: prints the seconds of a step as JSON.

python benchmarks/data_parallel_worker.py CORE BATCH STEPS EPOCHS [HOST:PORT PROCESSES NUMBER]

BATCH is that of all processes together. The first epoch compiles and does not count.
"""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    """Trains and prints the median over the epochs."""
    core, batch, steps, epochs = map(int, arguments[:4])
    os.sched_setaffinity(0, {core})  # before JAX counts the cores
    import jax
    import numpy as np

    from femo_jax.data.splits import Split
    from femo_jax.train.config import TrainConfig
    from femo_jax.train.devices import keep_freed_memory
    from femo_jax.train.loop import train
    from femo_jax.train.progress import SilentReporter

    keep_freed_memory()
    if arguments[4:]:
        jax.distributed.initialize(arguments[4], int(arguments[5]), int(arguments[6]))
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = rng.integers(0, 256, (count, 48, 48, 1), np.uint8)
        return Split(images, np.arange(count, dtype=np.int32) % 7, np.array([str(index) for index in range(count)]))

    seconds: list[float] = []

    def note(record: dict) -> None:
        if record["split"] == "train" and record["epoch"] > 1:
            seconds.append(record["seconds"] / steps)

    config = TrainConfig(epochs=epochs + 1, batch_size=batch, eval_batch_size=64)
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder), split(batch * steps), split(64), SilentReporter(), note, ops="xla", loader="numpy")
    if jax.process_index() == 0:
        print(json.dumps(statistics.median(seconds)))


if __name__ == "__main__":
    main(sys.argv[1:])
