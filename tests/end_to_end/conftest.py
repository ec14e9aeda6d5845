"""The command `femo` in processes of its own."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from forked import ForkedProcess, fork_server

from femo_jax.data.drawn import draw_face
from femo_jax.emotions import Emotion

CONFIG = """
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={"widths": (6, 8)},
    epochs=3,
    batch_size=16,
    eval_batch_size=16,
    learning_rate=0.02,
    warmup_epochs=0.0,
    ema_decay=0.9,
)
"""

FACES = {"Training": 20, "PublicTest": 10}
"""Faces of each class in each split: training on all drawn faces takes three times as long."""

PRELOADED = ("femo_jax.cli.main", "femo_jax.cli.train", "femo_jax.cli.predict", "femo_jax.runs", "femo_jax.train.loop")
"""What commands import; importing it takes as long as a run here."""

UNOPTIMISED = "import jax\njax.config.update('jax_disable_most_optimizations', True)\n"
"""The networks that are trained here are so small that compiling them well takes longer than running them."""


class FemoProcess(ForkedProcess):
    """A running `femo`, whose output is read when it has ended."""

    def __init__(self, server: Path, arguments: list[str], environment: dict[str, str], folder: Path, setup: str):
        """Start it; its output goes to two files in the folder."""
        folder.mkdir()
        self._output, self._errors = folder / "output", folder / "errors"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            files = {"stdout": output.fileno(), "stderr": errors.fileno()}
            super().__init__(server, "femo_jax.cli.main", arguments, environment, setup=setup, **files)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Output and errors, once the process has ended."""
        self.wait(timeout)
        return self._output.read_text(), self._errors.read_text()


class Femo:
    """Starts `femo`."""

    def __init__(self, folder: Path, server: Path):
        self._folder, self._server = folder, server
        self._processes: list[FemoProcess] = []
        self.config = folder / "small.py"
        self.config.write_text(CONFIG)
        self.data = folder / "faces.csv"
        _write_faces(self.data)
        self.environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}

    def start(self, *arguments, setup: str = "") -> FemoProcess:
        """A running process, which runs the code of `setup` first."""
        if arguments[0] in ("train", "sweep", "distill"):
            setup = UNOPTIMISED + setup
        words = [str(word) for word in arguments]
        folder = self._folder / f"process{len(self._processes)}"
        self._processes.append(FemoProcess(self._server, words, self.environment, folder, setup))
        return self._processes[-1]

    def run(self, *arguments, expect=0) -> tuple[str, str]:
        """Output and errors of a finished process that ended with the expected code."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=400)
        assert process.returncode == expect, f"{arguments}\n{output}\n{errors}"
        return output, errors

    def train_arguments(self, workdir, *more) -> list:
        """Of a training that takes seconds; importing TensorFlow, which another loader does, would double them."""
        return ["train", self.config, "--data", self.data, "--workdir", workdir, "--loader", "numpy", *more]

    def close(self) -> None:
        """End what a failed test has left."""
        for process in self._processes:
            process.kill()


def _write_faces(path: Path) -> None:
    """Writes drawn faces as FER-2013's csv."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for usage, count in FACES.items():
            for emotion in list(Emotion) * count:
                writer.writerow([emotion.csv_code, " ".join(map(str, draw_face(emotion, rng).ravel())), usage])


@pytest.fixture(scope="session")
def femo(tmp_path_factory) -> Iterator[Femo]:
    """The command line in processes of its own."""
    folder = tmp_path_factory.mktemp("femo")
    with fork_server(folder / "socket", PRELOADED, os.environ) as server:
        femo = Femo(folder, server)
        yield femo
        femo.close()


@pytest.fixture(scope="session")
def trained(femo, tmp_path_factory):
    """The workdir of a small run on drawn faces, trained from start to end on one device."""
    workdir = tmp_path_factory.mktemp("runs") / "small"
    femo.run(*femo.train_arguments(workdir))
    return workdir
