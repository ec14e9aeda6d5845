"""The blocks of code of a page, and the mark of those that are not run."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

PAGES = {
    page.relative_to(ROOT).as_posix(): page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
"""Pages whose blocks run, by name."""

REASONS = ("camera", "containers", "GPU", "hours", "network", "ROS")
"""Why a block may be left out: what it needs, or how long it takes. `<!-- not run: camera -->` stands before it."""

NO_PROGRAMS = ("bibtex", "json", "text")
"""Languages of blocks that cannot be run."""

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]*) -->\n+)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block."""

    line: int
    """Of its first line in the page."""
    language: str
    title: str | None
    """The file that the block is to be saved as."""
    text: str
    reason: str | None
    """Why it is not run."""

    @property
    def is_run(self) -> bool:
        """Whether the tests run it."""
        return self.reason is None and self.language not in NO_PROGRAMS


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(page.count("\n", 0, match.start("text")) + 1, *match.group("language", "title", "text", "reason"))
        for match in _BLOCK.finditer(page)
    ]
