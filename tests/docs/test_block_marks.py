"""Blocks of code on the pages are fenced, in a known language, and left out of the tests only for a stated reason."""

import re

import pytest
from page_blocks import NO_PROGRAMS, PAGES, REASONS, ROOT, Block, blocks

OTHER_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md", ROOT / "ros2_ws" / "README.md"]
"""Pages whose commands set up an environment, or measure."""

NEEDS = {
    "camera": r"^femo (live|serve)( *#| rtsp:| 0|$)",
    "containers": r"^docker (build|run) ",
    "GPU": r"cuda",
    "hours": r"^(femo (sweep|train|distill|soft-labels)|python benchmarks/)",
    "network": r"^(pip install|make|curl|.*rosdep|femo data download|sudo apt)| pip install",
    "ROS": r"ros|ROS|femo_msgs",
}
"""What a block that is left out must contain, by the reason."""


@pytest.mark.parametrize("page", [*PAGES.values(), *OTHER_PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_are_fenced_and_in_a_known_language(page):
    text = page.read_text("utf-8")
    found = blocks(text)
    assert text.count("\n```") == 2 * len(found)
    assert {block.language for block in found} <= {"bash", "python", *NO_PROGRAMS}
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"\n\n {4}\S.*", outside) == []


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_blocks_are_left_out_for_a_reason_and_nothing_else_is(page):
    text = page.read_text("utf-8")
    left_out = [block for block in blocks(text) if block.reason is not None]
    assert {block.reason for block in left_out} <= set(REASONS)
    assert text.count("<!-- not run") == len(left_out), "a mark without a block behind it"
    for block in left_out:
        assert re.search(NEEDS[block.reason], block.text, re.MULTILINE), block


def test_marks_and_titles_are_read():
    page = 'Text\n\n<!-- not run: camera -->\n```bash\nfemo live\n```\n\n```python title="a.py"\nx = 1\n```\n'
    assert blocks(page) == [
        Block(5, "bash", None, "femo live\n", "camera"),
        Block(9, "python", "a.py", "x = 1\n", None),
    ]
