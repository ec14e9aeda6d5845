"""The documentation site builds without a warning: every link, anchor, snippet and reference is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.integration
def test_the_site_builds_without_warnings(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "api" / "recognition" / "index.html").read_text()
    assert "femo_jax.EmotionRecognizer" in reference
    card = (tmp_path / "site" / "cards" / "femonet-base" / "index.html").read_text()
    assert "--8<--" not in card
