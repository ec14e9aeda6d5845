"""The page on robots names what there is: every launch argument, topic and parameter."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from femo_ros.images import ENCODINGS
from femo_ros.parameter_table import markdown
from femo_ros.parameters import VIDEO_SOURCE, recognizer_parameters

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "robot.md").read_text()
README = (ROOT / "ros2_ws" / "README.md").read_text()
PACKAGE = ROOT / "ros2_ws" / "src" / "femo_ros"


def test_every_launch_argument_is_explained():
    """In the table."""
    for argument in ElementTree.parse(PACKAGE / "launch" / "femo.launch.xml").getroot().findall("arg"):
        assert f"\n| `{argument.get('name')}` |" in PAGE


@pytest.mark.parametrize(
    ("node", "table"), [("emotion_recognizer", recognizer_parameters()), ("video_source", VIDEO_SOURCE)]
)
def test_the_tables_of_parameters_are_written_from_the_parameters(node, table):
    """Names, defaults and notes stand in one place."""
    written = re.search(rf"<!-- parameters: {node} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)[1]
    assert written == "\n" + markdown(table) + "\n", "run: python -m femo_ros.parameters markdown"


def test_every_encoding_is_named():
    """As the node takes them."""
    for encoding in ENCODINGS:
        assert f"`{re.sub('bayer_....8', 'bayer_*8', encoding)}`" in PAGE


def test_parameters_that_are_named_exist():
    """A renamed one must be renamed here as well."""
    tree = yaml.safe_load((PACKAGE / "config" / "femo.yaml").read_text())["/**"]["ros__parameters"]
    groups = {name: group for name, group in tree.items() if isinstance(group, dict)}
    named = re.findall(rf"\b({'|'.join(groups)})\.(\w+)", PAGE.replace("`parameter track.born_after is", ""))
    assert len(named) > 10
    for group, name in named:
        assert name in groups[group], f"{group}.{name}"


@pytest.mark.parametrize("text", [PAGE, README], ids=["robot.md", "README.md"])
def test_links_lead_somewhere(text):
    """To files and to headings of this page."""
    folder = ROOT / "docs" if text is PAGE else ROOT / "ros2_ws"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, heading = target.removeprefix("https://github.com/OWNER/femo/blob/main/").partition("#")
        base = ROOT if target.startswith("https:") else folder
        file = (base / path).resolve() if path else None
        assert file is None or file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text() if file else text, re.MULTILINE)
            assert heading in [line.lower().replace(" ", "-") for line in headings], target
