"""Labels of clips, with a recogniser that gives what a test sets."""

import itertools
import json
from pathlib import Path

import cv2
import label_distribution
import label_stability
import labels
import numpy as np
import pytest
from labels import TOGETHER, Labels, Options, labels_of_clips

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import FemoError
from femo_jax.live.config import StreamConfig, TrackConfig
from femo_jax.live.image import Box, CropGeometry


class FakeRecognizer:
    """Finds one face in bright frames, and says of it what comes next in a round."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def __init__(self, *emotions: Emotion):
        self.detector = self
        self.emotions = itertools.cycle(emotions)

    def detect(self, image, *, still=True):
        return [Box(20, 10, 40, 40)] if image.grey.mean() > 100 else []

    def detect_near(self, image, boxes, window, scales):
        return self.detect(image)

    def classify(self, faces):
        probabilities = np.full((len(faces), 7), 0.05, np.float32)
        for row in probabilities:
            row[next(self.emotions)] = 0.7
        return probabilities


@pytest.fixture
def clip(tmp_path):
    """Writes a clip of a second and more, all of one shade; gives its path."""

    def write(name: str = "clip.avi", shade: int = 200) -> Path:
        writer = cv2.VideoWriter(str(tmp_path / name), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 64))
        for _ in range(31):
            writer.write(np.full((64, 96, 3), shade, np.uint8))
        writer.release()
        return tmp_path / name

    return write


@pytest.fixture
def says(monkeypatch):
    """Has the recogniser say these emotions in turn; the list of the models asked for."""

    def let(*emotions: Emotion) -> list:
        asked = []
        fake = FakeRecognizer(*emotions)
        monkeypatch.setattr(labels.EmotionRecognizer, "load", lambda model, _: asked.append(model) or fake)
        return asked

    return let


def test_shares_of_the_time():
    counted = Labels()
    counted.add({1: "sad", 2: "fear"}, {1: "happy", 2: "fear", 3: "angry"}, 0.5)
    counted.add({1: "happy"}, {1: "happy"}, 1.0)
    assert counted.changes == 1
    assert counted.shares == {"happy": 0.75, "fear": 0.25}
    assert list(counted.shares) == ["happy", "fear"]


def test_a_steady_face(clip, says):
    asked = says(Emotion.HAPPY)
    found = labels_of_clips(Options((clip("a.avi"), clip("b.avi")), model="small"))
    assert asked == ["small"]
    assert list(found) == ["a.avi", "b.avi", TOGETHER]
    for result in found.values():
        assert result.raw.shares == result.shown.shares == {"happy": 1.0}
        assert result.raw.changes == result.shown.changes == 0
    assert found["a.avi"].face_seconds == pytest.approx(29 / 25, abs=0.05)  # known from the second frame on
    assert found[TOGETHER].face_seconds == pytest.approx(2 * found["a.avi"].face_seconds)
    assert found[TOGETHER].tracks == 2


def test_raw_labels_flicker_and_shown_ones_do_not(clip, says):
    says(Emotion.HAPPY, Emotion.HAPPY, Emotion.SAD)
    config = StreamConfig(track=TrackConfig(min_hits=1))
    result = labels_of_clips(Options((clip(),), config=config))["clip.avi"]
    assert result.raw.shares == pytest.approx({"happy": 2 / 3, "sad": 1 / 3}, abs=0.03)
    assert result.shown.shares == {"happy": 1.0}
    assert result.raw.changes == 20 and result.shown.changes == 0


def test_nothing_to_measure(clip, says):
    says(Emotion.HAPPY)
    with pytest.raises(FemoError, match=r"clip\.avi: clips are identified by their files' names"):
        labels_of_clips(Options((clip(), clip())))
    with pytest.raises(FemoError, match="no clip given"):
        labels_of_clips(Options(()))
    with pytest.raises(FemoError, match=r"dark\.avi: no face in two frames"):
        labels_of_clips(Options((clip("dark.avi", 10),)))


def test_distribution_is_printed_written_and_drawn(clip, says, tmp_path, capsys):
    says(Emotion.HAPPY, Emotion.HAPPY, Emotion.SAD)
    report, figure = tmp_path / "distribution.json", tmp_path / "distribution.svg"
    label_distribution.main(label_distribution.DistributionOptions((clip(),), json=report, figure=figure))
    result = json.loads(report.read_text())["clip.avi"]
    assert list(result["raw"]) == list(result["shown"]) == list(EMOTIONS)
    assert result["raw"]["sad"] == pytest.approx(1 / 3, abs=0.03)
    assert result["shown"] == {label: float(label == "happy") for label in EMOTIONS}
    printed = capsys.readouterr().out
    assert "clip.avi: 1 tracks, 1." in printed and "together: 1 tracks" in printed
    assert max(map(len, printed.splitlines())) <= 80
    for words in (*EMOTIONS, "clip.avi, raw", "clip.avi, shown"):
        assert f"<!-- {words} -->" in figure.read_text()


def test_a_figure_of_an_unknown_format_is_told_before_anything_is_measured(clip, says):
    asked = says(Emotion.HAPPY)
    with pytest.raises(FemoError, match="unknown figure format"):
        label_distribution.main(label_distribution.DistributionOptions((clip(),), figure=Path("figure.jpeg")))
    assert not asked


def test_stability_is_printed_and_written(clip, says, tmp_path, capsys):
    says(Emotion.HAPPY, Emotion.HAPPY, Emotion.SAD)
    label_stability.main(label_stability.Options((clip(),), json=tmp_path / "stability.json"))
    result = json.loads((tmp_path / "stability.json").read_text())["clip.avi"]
    assert result["raw_changes"] == pytest.approx(2 / 3 * 25, rel=0.1)
    assert result["shown_changes"] == 0
    assert result["labels"] == {"happy": 1.0}
    assert "none left" in capsys.readouterr().out
