import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.live.image import Box
from femo_jax.live.output.predictions import AnnotatedFolder, Prediction, csv_text
from femo_jax.live.results import FaceEmotion, FrameResult

IMAGE = np.full((120, 160, 3), 90, np.uint8)


def prediction(path, *faces):
    return Prediction(Path(path), FrameResult(list(faces), 0.0, 160, 120, 1.0, 1.0, full_scan=True))


@pytest.fixture
def face():
    return FaceEmotion(Box(40, 30, 50, 60), "fear", 0.5, np.float32([0, 0, 0.5, 0.25, 0.25, 0, 0]))


def test_a_picture_as_json(face):
    record = prediction("some/face.png", face).as_dict()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "path": "some/face.png",
        "width": 160,
        "height": 120,
        "faces": [
            {
                "box": [40, 30, 50, 60],
                "label": "fear",
                "confidence": 0.5,
                "uncertain": False,
                "probabilities": dict(zip(EMOTIONS, [0, 0, 0.5, 0.25, 0.25, 0, 0], strict=True)),
            }
        ],
    }
    assert prediction("none.png").as_dict()["faces"] == []


def test_csv_has_a_row_a_face(face):
    text = csv_text([prediction("two, or more.png", face, face), prediction("none.png")])
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["path"], row["face"]) for row in rows] == [("two, or more.png", "1"), ("two, or more.png", "2")]
    values = {name: rows[0][name] for name in ("width", "height", "x", "y", "w", "h", "label", "confidence")}
    assert list(values.values()) == ["160", "120", "40", "30", "50", "60", "fear", "0.5"]
    assert [float(rows[0][label]) for label in EMOTIONS] == [0, 0, 0.5, 0.25, 0.25, 0, 0]


def test_copies_are_annotated_and_named_like_their_pictures(face, tmp_path):
    copies = AnnotatedFolder(tmp_path / "copies", [Path("a/face.png")])
    copies.write(prediction("a/face.png", face), IMAGE)
    copy = cv2.imread(str(tmp_path / "copies" / "face.png"))
    assert copy.shape == IMAGE.shape
    assert (copy != IMAGE).any()


def test_pictures_of_the_same_name_do_not_overwrite_each_other(face, tmp_path):
    pictures = [Path(name) for name in ("a/face.jpg", "b/face.jpg", "c/FACE.JPG", "a/face-2.jpg", "a/face.png")]
    copies = AnnotatedFolder(tmp_path, pictures)
    for path in pictures:
        copies.write(prediction(path, face), IMAGE)
    names = {path.name.lower() for path in tmp_path.iterdir()}
    assert names == {"face.jpg", "face-2.jpg", "face-3.jpg", "face-2-2.jpg", "face.png"}


@pytest.mark.parametrize("name", ["face.pgm", "face.jp2", "face"])
def test_copies_are_in_formats_that_hold_colours(face, tmp_path, name):
    AnnotatedFolder(tmp_path, [Path(name)]).write(prediction(name, face), IMAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_a_copy_never_takes_the_place_of_a_picture(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "face.png"), IMAGE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"face.png is one of the pictures itself"):
        AnnotatedFolder(tmp_path, [Path("elsewhere/other.png"), Path("face.png")])
