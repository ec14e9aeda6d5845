"""The direction in which packages depend on each other, as `[tool.importlinter]` in pyproject.toml states it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_packages_depend_in_one_direction():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_finds_a_forbidden_import(tmp_path):
    package = tmp_path / "femo_jax"
    shutil.copytree(ROOT / "femo_jax", package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (package / "errors.py").open("a") as file:
        file.write("\nimport tensorflow\nfrom femo_jax.live import config\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "femo_jax.errors -> femo_jax.live.config" in done.stdout
    assert "femo_jax.errors -> tensorflow" in done.stdout
