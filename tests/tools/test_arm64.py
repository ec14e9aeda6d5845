"""tools/arm64.sh: what it refuses. Its work takes minutes, 1 GB and the network."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "arm64.sh"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a new folder, and lite or jax"),
        (["new", "train"], "train: expected lite or jax"),
        (["taken", "lite"], "taken exists"),
        (["new", "lite"], "no debootstrap: apt install debootstrap qemu-user-static"),
    ],
)
def test_what_cannot_start(arguments, message, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "programs").mkdir()
    done = subprocess.run(
        ["/bin/sh", SCRIPT, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path / "programs")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == f"tools/arm64.sh: {message}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["programs", "taken"]
