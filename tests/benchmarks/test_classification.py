"""The comparison of classification rates, with faces and probabilities that a test sets."""

import json

import classification
import cv2
import numpy as np
import pytest
from classification import AFTER, Options, change_delay, delays, pairs

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import FemoError
from femo_jax.live.config import TrackConfig
from femo_jax.live.image import Box, CropGeometry


def row(emotion: Emotion, probability: float = 0.7) -> np.ndarray:
    probabilities = np.full(len(EMOTIONS), (1 - probability) / 6)
    probabilities[emotion] = probability
    return probabilities


class FakeRecognizer:
    """Finds one face in bright frames; it is happy in those up to 200, sad in brighter ones."""

    geometry = CropGeometry(scale=1.0, shift=0.0)
    image_size = 48

    def __init__(self):
        self.detector = self.model = self

    def detect(self, image, *, still=True):
        return [Box(220, 140, 200, 200)] if image.grey.mean() > 50 else []

    def detect_near(self, image, boxes, window, scales):
        return self.detect(image)

    def classify(self, faces):
        return np.array([row(Emotion.HAPPY if face.mean() < 200 else Emotion.SAD) for face in faces]).reshape(-1, 7)


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """A clip of 640x480 at 25 Hz that becomes brighter after two seconds, and a recogniser that sees its face."""
    monkeypatch.setattr(classification.EmotionRecognizer, "load", lambda detector: FakeRecognizer())
    folder = tmp_path / "scenes"
    folder.mkdir()
    writer = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (640, 480))
    for frame in range(100):
        writer.write(np.full((480, 640, 3), 150 if frame < 50 else 250, np.uint8))
    writer.release()
    return folder


def test_labels_are_compared_with_those_of_every_frame(scenes, tmp_path, capsys):
    classification.main(Options(scenes, json=tmp_path / "rate.json", every=(120.0, 10_000.0)))
    report = json.loads((tmp_path / "rate.json").read_text())
    every, some, never = (report["every_ms"][name]["scenes"] for name in ("0", "120", "10000"))
    assert report["scenes"] == ["a.avi"]
    assert every["face_seconds"] == pytest.approx(98 / 25)  # shown from the second frame on
    assert every["certain_face_seconds"] < every["face_seconds"]
    assert (every["same_label"], every["same_label_certain"], every["mean_delay_ms"]) == (1.0, 1.0, 0.0)
    assert every["label_changes"] == some["label_changes"] == pytest.approx(25 / 98)
    assert every["classifications"] == pytest.approx(100 * 25 / 98)
    assert some["classifications"] == pytest.approx(34 * 25 / 98)
    assert some["same_label"] == pytest.approx(1 - some["mean_delay_ms"] / 1e3 / every["face_seconds"])
    assert 0 <= some["mean_delay_ms"] <= 120 and some["changes_shown"] == 1
    assert never["label_changes"] == never["changes_shown"] == 0
    assert never["same_label"] < 0.7
    assert "100.00%" in capsys.readouterr().out


def test_a_scene_without_faces(scenes, tmp_path):
    (scenes / "a.avi").unlink()
    cv2.imwrite(str(scenes / "dark.png"), np.zeros((480, 640), np.uint8))
    with pytest.raises(FemoError, match="no face was seen"):
        classification.main(Options(scenes, image_frames=5))


def test_the_delay_of_a_change():
    happy, sad = row(Emotion.HAPPY), row(Emotion.SAD)
    delay = change_delay(TrackConfig(classify_every_ms=0.0), happy, sad, turn=0)
    assert 0.2 < delay < 0.5
    assert change_delay(TrackConfig(classify_every_ms=0.0, smoothing_ms=0.0), happy, sad, turn=3) == 0.0
    assert change_delay(TrackConfig(smoothing_ms=60_000.0), happy, sad, turn=0) == np.inf


def test_pairs_have_different_labels_and_are_the_same_each_time():
    rows = np.array([row(Emotion.HAPPY), row(Emotion.HAPPY, 0.5), row(Emotion.SAD), row(Emotion.FEAR)])
    drawn = list(pairs(rows, 50))
    assert all(first.argmax() != second.argmax() for first, second in drawn)
    assert {int(second.argmax()) for _, second in drawn} == {Emotion.HAPPY, Emotion.SAD, Emotion.FEAR}
    assert all(np.array_equal(a, b) for a, b in zip(drawn, pairs(rows, 50), strict=True))


def test_delays_over_pairs(monkeypatch):
    monkeypatch.setattr(classification, "PAIRS", 30)
    of = delays(TrackConfig(), np.array([row(Emotion.HAPPY), row(Emotion.SAD, 0.9)]))
    assert (of["pairs"], of["followed"], of["within_500_ms"]) == (30, 1.0, 1.0)
    assert 200 < of["median_ms"] <= of["p95_ms"] < 500 < 1e3 * AFTER
