import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas
import pytest

from femo_jax.cli.main import main
from femo_jax.emotions import EMOTIONS
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.recognizer import EmotionRecognizer


class OneFace:
    """A detector that finds the same face in every frame."""

    geometry = CropGeometry(scale=1.0, shift=0.0)
    box = Box(20, 10, 40, 40)

    def detect(self, image, *, still=True):
        return [self.box]

    def detect_near(self, image, boxes, window, scales):
        return list(boxes)


@pytest.fixture
def clip(tmp_path, random_model, monkeypatch):
    """A clip of thirty frames with one face, whose label is certain."""
    recognizer = EmotionRecognizer(random_model, OneFace(), batch_sizes=(1,))
    recognizer.model = replace(random_model)
    fixed = np.full((1, len(EMOTIONS)), 0.05, np.float32)
    fixed[0, EMOTIONS.index("happy")] = 0.7
    monkeypatch.setattr(recognizer, "classify", lambda faces: np.repeat(fixed, len(faces), axis=0))
    monkeypatch.setattr(EmotionRecognizer, "load", lambda *_, **__: recognizer)
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "clip.mp4", 10.0) as writer:
        for _ in range(30):
            writer.write(rng.integers(0, 255, (96, 128, 3), np.uint8))
    return tmp_path / "clip.mp4"


@pytest.fixture
def log(tmp_path):
    """A log of two seconds with one face."""
    face = {"id": 1, "age": 1.0, "box": [10, 10, 20, 20], "label": "sad", "confidence": 0.6, "uncertain": False}
    face["probabilities"] = {name: 0.6 if name == "sad" else 0.4 / 6 for name in EMOTIONS}
    frames = [{"index": n, "time": n / 10, "width": 64, "height": 48, "faces": [face]} for n in range(20)]
    (tmp_path / "faces.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    return tmp_path / "faces.jsonl"


def test_a_log_becomes_a_page_tables_and_a_figure(log, tmp_path, capsys):
    page, table, figure = (tmp_path / "out" / name for name in ("report.html", "faces.csv", "timeline.png"))
    arguments = ["-o", str(page), "--csv", str(table), "--figure", str(figure), "--every", "500ms"]
    assert main(["report", str(log), *arguments]) == 0
    written = [page, table, *(table.with_name(f"faces-{kind}.csv") for kind in ("intervals", "steps")), figure]
    assert capsys.readouterr().err.splitlines() == [f"femo: wrote {path}" for path in written]
    assert "Face 1" in page.read_text()
    assert len(pandas.read_csv(written[3])) == 4
    assert cv2.imread(str(figure)) is not None


def test_a_clip_is_recognised_first(clip, tmp_path, capsys):
    page = tmp_path / "report.html"
    assert main(["report", str(clip), "-o", str(page), "--thumbnails"]) == 0
    text = page.read_text()
    assert "30 frames of 128x96 pixels" in text
    assert text.count("data:image/jpeg;base64,") == 1
    assert "happy" in text
    assert main(["report", str(clip), "-o", str(page)]) == 0
    assert "data:image" not in page.read_text()


@pytest.mark.parametrize(("roi", "faces"), [("0,0,30,30", 1), ("30 30 30 18", 0)])
def test_a_region_of_interest(log, tmp_path, roi, faces):
    page = tmp_path / "report.html"
    assert main(["report", str(log), "-o", str(page), "--roi", roi]) == 0
    assert page.read_text().count("<svg") == faces


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{log}", "--roi", "1,2,3"], "--roi is '1,2,3'"),
        (["{log}", "--roi", "900,0,5,5"], "outside of the frames"),
        (["{log}", "--every", "often"], "--every is 'often'"),
        (["{log}", "--every", "0s"], "--every is '0s'"),
        (["{log}", "--thumbnails"], "Name the clip"),
        (["{log}", "--csv", "{folder}/faces.xls"], ".csv or .parquet"),
        (["{log}", "--figure", "{folder}/timeline.gif"], "unknown figure format"),
        (["{log}", "--csv", "{folder}/a.csv", "--figure", "{folder}/a-intervals.csv"], "a-intervals.csv"),
        (["{folder}/nowhere.mp4"], "nowhere.mp4: cannot be read"),
        (["{folder}/empty.jsonl"], "empty"),
        (["{folder}/broken.jsonl"], "line 1: not a frame"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(log, tmp_path, capsys, arguments, words):
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.jsonl").write_text('{"time": 0, "fa')
    before = sorted(tmp_path.iterdir())
    names = {"log": log, "folder": tmp_path}
    arguments = [word.format(**names) for word in arguments]
    assert main(["report", *arguments, "-o", str(tmp_path / "report.html")]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_page_and_table_on_standard_output(log, tmp_path, capfdbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", log.name, "-o", "page.html", "--csv", "faces.csv"]) == 0
    capfdbinary.readouterr()
    assert main(["report", log.name, "-o", "-"]) == 0
    assert capfdbinary.readouterr() == (Path("page.html").read_bytes(), b"")
    assert main(["report", log.name, "-o", "page.html", "--csv", "-"]) == 0
    assert capfdbinary.readouterr().out == Path("faces.csv").read_bytes()
    assert main(["report", log.name, "-o", "-", "--csv", "-"]) == 2
    assert b"--output and --csv both name the standard output" in capfdbinary.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("faces-intervals.csv", "faces.csv", log.name, "page.html")
    ]


def test_the_log_is_not_written_over(log, capsys):
    before = log.read_bytes()
    assert main(["report", str(log), "-o", str(log)]) == 2
    assert "is also an input" in capsys.readouterr().err
    assert log.read_bytes() == before


def test_a_log_that_is_cut_off_is_reported_with_a_warning(log, tmp_path, capsys):
    log.write_text(log.read_text()[:-40])
    assert main(["report", str(log), "-o", str(tmp_path / "report.html")]) == 0
    assert "Line 20 is cut off" in capsys.readouterr().err
