"""Faces of the study are cropped as they are, or upright as live use crops them."""

import zipfile

import cv2
import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.live.image import Box, CropGeometry, DetectedFace
from tools import wild, wild_roll

EYES = np.array([[40.0, 50.0], [60.0, 40.0], [50.0, 55.0], [45.0, 65.0], [60.0, 60.0]])


class Leaning:
    """A detector of one face whose eyes are not level."""

    geometry = CropGeometry(1.0, 0.0)

    def __init__(self, seen):
        self.seen = seen

    def detect(self, image):
        """The face, and a smaller one that does not count."""
        self.seen.append(image.grey.copy())
        return [DetectedFace.of(Box(26, 26, 48, 48), 0.9, EYES), Box(0, 0, 20, 20)]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A zip with an image of one person, and the images that the detector saw."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8), (0, 0), 3)
    with zipfile.ZipFile(tmp_path / "wild.zip", "w") as archive:
        archive.writestr("happy/1_p7.png", cv2.imencode(".png", image)[1].tobytes())
        archive.writestr("README.txt", "no image")
    seen = []
    monkeypatch.setattr(wild, "create_detector", lambda config: Leaning(seen))
    return tmp_path / "wild.zip", seen


def test_a_face_is_cropped_as_it_is_or_upright(images):
    path, seen = images
    plain = wild.read_faces(path, upright=False)
    upright = wild.read_faces(path)
    assert (int(upright["n"]), upright["labels"].tolist(), upright["persons"].tolist()) == (1, [3], [7])
    np.testing.assert_array_equal(plain["images"][0, ..., 0], seen[0][26:74, 26:74])
    assert np.abs(upright["images"].astype(int) - plain["images"]).mean() > 3


def test_images_are_turned_counter_clockwise(images):
    path, seen = images
    for degrees in (0, 90):
        wild.read_faces(path, degrees=degrees)
    difference = np.abs(np.rot90(seen[0]).astype(int) - np.roll(seen[1], 1, axis=0))
    assert np.median(difference) <= 1


def test_both_crops_of_a_face_are_compared(monkeypatch):
    labels = np.array([EMOTIONS.index(name) for name in ("happy", "happy", "sad", "neutral")], np.int32)
    faces = {
        name: {"images": np.full((4, 1), value), "labels": labels, "persons": np.arange(4), "n": np.array(5)}
        for name, value in (("as it is", 0), ("upright", 1))
    }
    happy, right = np.eye(7)[[3, 3, 3, 3]], np.eye(7)[labels]
    monkeypatch.setattr(wild_roll, "predict_probabilities", lambda network, crops: right if crops.any() else happy)
    row = wild_roll.compared("small", faces)
    assert row["as it is"]["accuracy_of_all"] == 0.4 and row["upright"]["accuracy_of_all"] == 0.8
    low, high = row["change_interval"]
    assert 0 <= low < 0.5 < high <= 1
