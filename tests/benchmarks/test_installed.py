"""The installed size is that of a distribution and of all that it requires, and of nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "installed.py"


def install(site, name, size, *requirements):
    """Writes a distribution with one file of `size` bytes, and the record of it."""
    package = site / name.replace("-", "_")
    package.mkdir()
    (package / "__init__.py").write_bytes(b"#" * size)
    info = site / f"{package.name}-1.0.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
    (info / "RECORD").write_text(f"{package.name}/__init__.py,,\n{package.name}/lost.py,,\n")


def measure(site, name, package):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, str(SCRIPT), name, package]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_requirements_count_once_and_extras_only_where_asked_for(tmp_path):
    install(
        tmp_path,
        "Top",
        1000,
        "made-base[fast]>=0.5",
        "made_other",
        "heavy; extra == 'train'",
        "absent; sys_platform == 'no'",
    )
    install(tmp_path, "made-base", 20_000, "made-quick; extra == 'fast'", "heavy; extra == 'slow'")
    install(tmp_path, "made-other", 300_000, "made.base", "top")
    install(tmp_path, "made-quick", 4_000_000)
    install(tmp_path, "heavy", 50_000_000)
    (tmp_path / "Top" / "weights.bin").write_bytes(b"#" * 600)
    finished = measure(tmp_path, "top", "Top")
    assert finished.returncode == 0, finished.stderr
    measured = json.loads(finished.stdout)
    assert measured["distributions"] == 4
    assert measured["mib"] * 2**20 == pytest.approx(1000 + 600 + 20_000 + 300_000 + 4_000_000)


def test_a_requirement_that_is_not_installed_is_named(tmp_path):
    install(tmp_path, "top", 1000, "nowhere-to-be-found")
    finished = measure(tmp_path, "top", "top")
    assert finished.returncode != 0 and "nowhere-to-be-found" in finished.stderr
