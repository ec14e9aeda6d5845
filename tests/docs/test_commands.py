"""Commands on the pages are ones that femo has: subcommands, options, configurations, scripts and files exist."""

import contextlib
import io
import itertools
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from femo_jax.cli.main import COMMANDS, main
from femo_jax.configs import resolve_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "femo_jax" / "weights").glob("*.md")),
]
ADDRESS = re.compile(r"https://(raw\.githubusercontent\.com/OWNER/femo/main|github\.com/OWNER/femo/(blob|tree)/main)")
"""Where files of the repository are found on the web."""


def commands(page: Path) -> list[list[str]]:
    """The words of each command of a page: lines of its blocks in bash, and code in a sentence."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`((?:femo|python) [^`]+)`", text)
    lines = [part for line in lines for part in line.split(" && ")]
    return [
        shlex.split(" ".join(line.split()), comments=True) for line in lines if line.startswith(("femo ", "python "))
    ]


@cache
def options(command: str) -> set[str]:
    """The options that the help of `femo COMMAND` names."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w.-]*", printed.getvalue()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_of_a_page_exist(page):
    for words in commands(page):
        if words[0] == "femo" and words[1:] and words[1].isalpha():
            command = " ".join(words[1:3]) if words[1] == "data" else words[1]
            assert words[1] in COMMANDS or words[1].isupper(), words
            given = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
            assert given <= options(command), (words, given - options(command))
        if words[0] == "femo" and words[1:2] in (["train"], ["sweep"]):
            for config in itertools.takewhile(lambda word: not word.startswith("-"), words[2:]):
                if not config.isupper() and config != "my_config.py":
                    paths = ROOT.glob(config) if "/" in config else [Path(config)]
                    assert [resolve_config(path) for path in paths], words
        if words[0] == "python":
            scripts = [word for word in words[1:2] if word.endswith(".py")]
            assert all((ROOT / script).is_file() for script in scripts), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        ours = ADDRESS.sub("", target)
        if ours.startswith("http"):
            continue
        path, _, heading = ours.partition("#")
        file = ROOT / path.lstrip("/") if ours != target else page.parent / path if path else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings], target


def test_readme_is_short_and_begins_with_one_sentence_an_image_and_the_models():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) < 120
    first_screen = "\n".join(lines[:30])
    assert re.search(r"!\[.+\]\(https://", first_screen)
    assert "femonet-base" in first_screen and "femonet-small" in first_screen


def test_every_environment_variable_is_explained():
    sources = [path for suffix in ("py", "cc", "h") for path in (ROOT / "femo_jax").rglob(f"*.{suffix}")]
    read = {name for path in sources for name in re.findall(r'"(FEMO_[A-Z_]+)"', path.read_text("utf-8"))}
    assert {"FEMO_CACHE", "FEMO_WINOGRAD"} <= read
    explained = set(re.findall(r"^\| `(FEMO_[A-Z_]+)` \|", (ROOT / "docs" / "faq.md").read_text("utf-8"), re.MULTILINE))
    assert explained == read
