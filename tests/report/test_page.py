import re
from html.parser import HTMLParser

import pytest

from femo_jax.errors import ConfigError, FemoError
from femo_jax.report.log import load_log
from femo_jax.report.page import MOST_FACES, Thumbnail, clock, report_html, ticks, write_report
from femo_jax.report.palette import class_colors, text_color

from .conftest import face_entry, frame_line


class _Elements(HTMLParser):
    """Checks that every element is closed, and collects what is loaded from elsewhere."""

    void = frozenset({"meta", "img", "rect", "line", "path"})

    def __init__(self):
        super().__init__()
        self.open, self.loaded, self.names = [], [], []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


def parsed(html):
    elements = _Elements()
    elements.feed(html)
    assert not elements.open
    return elements


def test_a_page_has_all_and_loads_nothing(two_faces):
    html = report_html(load_log(two_faces), "faces.jsonl", thumbnails=[Thumbnail(1, 5.5, "sad", b"\xff\xd8picture")])
    elements = parsed(html)
    assert (elements.loaded, elements.names.count("svg"), elements.names.count("img")) == ([], 2, 1)
    assert "script" not in elements.names
    assert not re.search(r"https?://", html)
    for words in ("Face 1", "Face 2", "40.0%", "50.0%", "happy to sad: 1", "uncertain", "sad, 5.5 s"):
        assert words in html
    assert "valence" not in html.lower()


def test_names_are_escaped(write_log):
    face = face_entry("happy") | {"label": "<b>", "probabilities": {"<b>": 1.0, "&": 0.0}}
    html = report_html(load_log(write_log(frame_line(0, [face]))), "<script>alert(1)</script>.jsonl")
    parsed(html)
    assert "<script" not in html
    assert "<b>" not in html


def test_a_page_without_a_face_says_so(write_log):
    html = report_html(load_log(write_log(frame_line(0, []))), "empty")
    assert "No face was found" in html
    assert "svg" not in parsed(html).names


def test_a_page_names_what_was_left_out(write_log):
    whole = frame_line(0, [face_entry("sad")])
    assert "Line 2 is cut off" in report_html(load_log(write_log(whole, whole[:-9])), "cut")


def test_many_faces_have_no_timeline_each(write_log):
    faces = [face_entry("sad", person) for person in range(1, MOST_FACES + 4)]
    elements = parsed(report_html(load_log(write_log(frame_line(0, faces), frame_line(1, faces))), "crowd"))
    assert elements.names.count("svg") == MOST_FACES


def test_a_long_log_has_a_page_of_bounded_size(write_log):
    lines = [frame_line(index, [face_entry("sad" if index % 50 < 25 else "fear")]) for index in range(6000)]
    assert len(report_html(load_log(write_log(*lines)), "long")) < 300_000


def test_a_page_that_cannot_be_written_leaves_nothing(two_faces, tmp_path):
    with pytest.raises(ConfigError):
        write_report(load_log(two_faces), tmp_path / "out" / "report.html", "x", every=1e-9)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FemoError):
        write_report(load_log(two_faces), "/proc/report.html", "x")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0 s"), (59.94, "59.9 s"), (65, "1:05"), (3723.9, "1:02:03")])
def test_times(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize("span", [0.0, 0.04, 3.2, 100.0, 86400 * 30.0])
def test_an_axis_has_few_round_times(span):
    found = ticks(span)
    assert found[0] == 0
    assert len(found) <= 11
    assert found[-1] <= span + 1e-6


def test_each_class_has_a_colour():
    names = ["happy", "anger", "calm", "tense", "neutral"]
    colors = class_colors(names)
    assert colors["happy"] == "#F0E442"
    assert colors["anger"] == "#D55E00"
    assert len(set(colors.values())) == len(names)
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in class_colors([str(n) for n in range(30)]).values())


@pytest.mark.parametrize(("ground", "ink"), [("#F0E442", "#000000"), ("#0072B2", "#FFFFFF"), ("#FFFFFF", "#000000")])
def test_text_stands_out_from_its_ground(ground, ink):
    assert text_color(ground) == ink
