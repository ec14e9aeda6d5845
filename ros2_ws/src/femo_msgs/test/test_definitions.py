"""The message definitions: every field says what it means, in which unit and range; the codes are femo's."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "msg"
MESSAGES = sorted(FOLDER.glob("*.msg"))
NUMBERS = re.compile(r"(u?int\d+|float\d+)(\[\d*\])?|sensor_msgs/RegionOfInterest")
EMOTIONS = ["ANGRY", "DISGUST", "FEAR", "HAPPY", "NEUTRAL", "SAD", "SURPRISE"]


def fields(path):
    """Each field of a definition as (type, name, its comment); constants are left out."""
    comment, found = [], []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
            continue
        if line and "=" not in line:
            kind, name = line.split()
            found.append((kind, name, " ".join(comment)))
        comment = []
    return found


def test_there_are_the_three_messages():
    """All of them, and no others, are built."""
    assert [path.stem for path in MESSAGES] == ["FaceEmotion", "FaceEmotionArray", "ModelInfo"]
    build = (FOLDER.parent / "CMakeLists.txt").read_text()
    assert re.findall(r'"msg/(\w+)\.msg"', build) == [path.stem for path in MESSAGES]


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_every_field_has_a_comment(path):
    """What it means, and for numbers the unit and the range."""
    assert path.read_text().startswith("# ")
    for kind, name, comment in fields(path):
        assert comment, f"{path.name}: {name} has no comment"
        if NUMBERS.fullmatch(kind):
            assert re.search(r"\bUnit: .+; range: .+\.", comment), f"{path.name}: {name} has no unit and range"


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_lines_are_short_and_clean(path):
    """No line is longer than 120 characters, ends with a space or holds a tab."""
    text = path.read_text()
    assert text.endswith("\n")
    for line in text.splitlines():
        assert len(line) <= 120
        assert line == line.rstrip()
        assert "\t" not in line


def test_codes_are_the_indices_of_the_probabilities():
    """Seven codes from 0 on, in the alphabetical order of FER-2013's class folders."""
    text = (FOLDER / "FaceEmotion.msg").read_text()
    codes = dict(re.findall(r"^uint8 ([A-Z]+)=(\d+)$", text, re.MULTILINE))
    assert codes == {name: str(index) for index, name in enumerate(EMOTIONS)}
    assert "float32[] probabilities" in text
