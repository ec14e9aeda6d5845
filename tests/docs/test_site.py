"""The documentation site builds without a warning: every link, anchor, snippet and reference is found."""

import os
import re
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
    assert "femonet-small" in (tmp_path / "site" / "index.html").read_text()


def test_nothing_comes_from_another_server():
    """Material loads its renderer of diagrams from a CDN where a page has a block of Mermaid."""
    for page in (ROOT / "docs").rglob("*.md"):
        assert "```mermaid" not in page.read_text("utf-8"), page


@pytest.mark.parametrize("source", sorted((ROOT / "docs" / "diagrams").glob("*.mmd")), ids=lambda path: path.stem)
def test_a_diagram_was_rendered_from_its_source(source):
    image = source.with_suffix(".svg").read_text("utf-8")
    shown = {" ".join(line.split()) for line in re.findall(r">([^<>]+)<", image)}
    labels = re.findall(r'\["?([^\]"]+)"?\]', source.read_text("utf-8"))
    assert len(labels) > 3
    words = {word for label in labels for word in re.split(r"<br>|\s", label)}
    assert words <= {word for line in shown for word in line.split()}, "run tools/diagrams.sh"
