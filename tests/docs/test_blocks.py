"""Every command and every block of Python on README and on the pages of the site runs, in the order of the page.

The blocks of a page run in a folder of their own, beside the files that the pages speak of (`desk.py`). `femo` runs in
this process, with two differences from the page: configurations that ship with the repository train a tiny network for
one epoch, without soft labels, which belong to the real FER-2013; and `drawn` has a few faces. Blocks that need a
camera, a GPU, ROS, the network or hours are marked on the page by `<!-- not run: REASON -->`.
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
from desk import CONFIGS, lay_out, train_small
from page_blocks import PAGES, ROOT, blocks

from femo_jax import configs
from femo_jax.cli.main import main
from femo_jax.data import drawn

RUN = [name for name, page in PAGES.items() if any(block.is_run for block in blocks(page.read_text("utf-8")))]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The files of the pages, with a run in `runs/small` and its `small.safetensors`."""
    folder = tmp_path_factory.mktemp("desk")
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configs, "FOLDER", folder / CONFIGS)
        patch.setattr(drawn, "FACES_PER_CLASS", {"train": 10, "validation": 3, "test": 3})
        patch.chdir(folder)
        train_small(folder)
        yield folder


@pytest.fixture
def page_folder(desk, tmp_path, monkeypatch):
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
def test_blocks_of_a_page_run(name, page_folder):
    text = PAGES[name].read_text("utf-8")
    if "--workdir runs/small" in text:  # the page trains it
        shutil.rmtree(page_folder / "runs")
        (page_folder / "small.safetensors").unlink()
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
