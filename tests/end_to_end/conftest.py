"""The command `femo` in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={"widths": (6, 8)},
    epochs=3,
    batch_size=64,
    eval_batch_size=64,
    learning_rate=0.02,
    warmup_epochs=0.0,
    ema_decay=0.9,
)
"""


class Femo:
    """Starts `femo` with the Python of the tests."""

    def __init__(self, folder: Path):
        self.config = folder / "small.py"
        self.config.write_text(CONFIG)
        self.environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        self.training_environment = self.environment | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}

    def start(self, *arguments) -> subprocess.Popen:
        """A running process; output is read with `communicate`."""
        command = [sys.executable, "-m", "femo_jax.cli.main", *map(str, arguments)]
        # The networks that are trained here are so small that compiling them well takes longer than running them.
        environment = self.training_environment if arguments[0] in ("train", "distill") else self.environment
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def run(self, *arguments, expect=0) -> tuple[str, str]:
        """Output and errors of a finished process that ended with the expected code."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=400)
        assert process.returncode == expect, f"{arguments}\n{output}\n{errors}"
        return output, errors

    def train_arguments(self, workdir, *more, loader="numpy") -> list:
        """Of a training that takes seconds; importing TensorFlow, which `loader="tfdata"` does, would double them."""
        return ["train", self.config, "--data", "drawn", "--workdir", workdir, "--loader", loader, *more]


@pytest.fixture(scope="session")
def femo(tmp_path_factory):
    """The command line in processes of its own."""
    return Femo(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def trained(femo, tmp_path_factory):
    """The workdir of a small run on drawn faces, trained from start to end on one device, with tf.data."""
    workdir = tmp_path_factory.mktemp("runs") / "small"
    femo.run(*femo.train_arguments(workdir, loader="tfdata"))
    return workdir
