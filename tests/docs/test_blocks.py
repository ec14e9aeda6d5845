"""Every command and every block of Python in README runs, in the order in which it stands there.

The blocks run in a folder of their own, beside the files that the pages speak of (`desk.py`). `femo` runs in this
process, with these differences from the page: training uses one epoch and a tiny network, whatever the configuration
says, without soft labels, which belong to the real FER-2013; and `drawn` has a few faces. JAX has started already
when a command prepares its devices, so that this step is left out. Blocks that need a camera, a
GPU, ROS, the network or hours are marked on the page by `<!-- not run: REASON -->`.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from desk import lay_out, train_small
from page_blocks import PAGES, ROOT, blocks

from femo_jax.cli import sweep as cli_sweep
from femo_jax.cli import train as cli_train
from femo_jax.cli.main import main
from femo_jax.data import drawn
from femo_jax.train import config as train_config
from femo_jax.train import devices
from femo_jax.train.config import TrainConfig

RUN = ["README.md"]


def shortened(path: str | os.PathLike[str]) -> TrainConfig:
    """The configuration of a file, as one epoch of a tiny network with the same targets."""
    config = load_config(path)
    return TrainConfig(
        model_options={"widths": (4, 4, 8, 8)},
        epochs=1,
        batch_size=32,
        ferplus_weight=config.ferplus_weight,
        label_smoothing=config.label_smoothing,
        seed=config.seed,
    )


load_config = train_config.load_config


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The files of the pages."""
    folder = tmp_path_factory.mktemp("desk")
    lay_out(folder)
    return folder


@pytest.fixture(scope="module")
def in_small():
    """Training is shortened, and `drawn` has a few faces."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cli_train, cli_sweep, train_config):
            patch.setattr(module, "load_config", shortened)
        patch.setattr(devices, "prepare_devices", lambda cpu_devices: None)
        patch.setattr(drawn, "FACES_PER_CLASS", {"train": 5, "validation": 3, "test": 3})
        yield


@pytest.fixture(scope="module")
def small_run(tmp_path_factory, desk, in_small):
    """A folder with `runs/small` and `small.safetensors`, for pages that do not train it themselves."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "fer2013.zip").symlink_to(desk / "fer2013.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train_small(folder)
    return folder


@pytest.fixture
def page_folder(desk, in_small, tmp_path, monkeypatch):
    """The working directory of a page's commands."""
    folder = tmp_path / "femo"
    shutil.copytree(desk, folder)
    monkeypatch.chdir(folder)
    return folder


def run_bash(text: str) -> None:
    """Runs the commands of a block: femo in this process, Python scripts and `cat` as processes."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        for command in line.split(" && "):
            if words := shlex.split(command, comments=True):
                run_command([part for word in words for part in (expanded(word) or [word])])


def expanded(word: str) -> list[str]:
    """The files that a pattern stands for."""
    return sorted(map(str, Path().glob(word))) if "*" in word else []


def run_command(words: list[str]) -> None:
    """Runs one command, which must succeed."""
    if words[0] == "femo":
        assert main(words[1:]) == 0, words
        return
    assert words[0] == "python", f"{' '.join(words)}: cannot be run in a test; mark the block as not run"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words[1:]], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (words, done.stdout, done.stderr)


@pytest.mark.docs
@pytest.mark.parametrize("name", RUN)
def test_blocks_of_a_page_run(name, page_folder, request):
    text = PAGES[name].read_text("utf-8")
    if "small" in text and "--workdir runs/small" not in text:
        shutil.copytree(request.getfixturevalue("small_run"), page_folder, symlinks=True, dirs_exist_ok=True)
    namespace = {"__name__": "page"}
    with contextlib.ExitStack() as stack:
        stack.callback(sys.path.__setitem__, slice(None), sys.path.copy())
        for block in filter(lambda block: block.is_run, blocks(text)):
            if block.title:
                (page_folder / block.title).write_text(block.text)
            if block.language == "python":
                exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), namespace)
            else:
                run_bash(block.text)


@pytest.mark.parametrize("text", ["femo models --no-such-option", "femo predict missing.jpg", "rm -r runs"])
def test_a_command_that_fails_is_found(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((AssertionError, SystemExit)):
        run_bash(text)
