import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, FemoError
from femo_jax.live.image import Box
from femo_jax.live.output.records import AnnotatedFolder, FrameLog, Prediction, csv_text, write_image
from femo_jax.live.results import FaceEmotion, FrameResult

IMAGE = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)


def prediction(path, *faces):
    return Prediction(Path(path), FrameResult(list(faces), 0.0, 160, 120, 1.0, 1.0, full_scan=True))


@pytest.fixture
def face():
    return FaceEmotion(Box(40, 30, 50, 60), "fear", 0.5, np.float32([0, 0, 0.5, 0.25, 0.25, 0, 0]))


def test_an_image_as_json(face):
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
    text = csv_text([prediction("two, or more.png", face, face), prediction("none.png")], EMOTIONS)
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["path"], row["face"]) for row in rows] == [("two, or more.png", "1"), ("two, or more.png", "2")]
    values = {name: rows[0][name] for name in ("width", "height", "x", "y", "w", "h", "label", "confidence")}
    assert list(values.values()) == ["160", "120", "40", "30", "50", "60", "fear", "0.5"]
    assert [float(rows[0][label]) for label in EMOTIONS] == [0, 0, 0.5, 0.25, 0.25, 0, 0]


def test_copies_are_annotated_and_named_like_their_images(face, tmp_path):
    copies = AnnotatedFolder(tmp_path / "copies", [Path("a/face.png")])
    copies.write(prediction("a/face.png", face), IMAGE)
    copy = cv2.imread(str(tmp_path / "copies" / "face.png"))
    assert copy.shape == IMAGE.shape
    assert (copy != IMAGE).any()


def test_images_of_the_same_name_do_not_overwrite_each_other(face, tmp_path):
    images = [Path(name) for name in ("a/face.jpg", "b/face.jpg", "c/FACE.JPG", "a/face-2.jpg", "a/face.png")]
    copies = AnnotatedFolder(tmp_path, images)
    for path in images:
        copies.write(prediction(path, face), IMAGE)
    names = {path.name.lower() for path in tmp_path.iterdir()}
    assert names == {"face.jpg", "face-2.jpg", "face-3.jpg", "face-2-2.jpg", "face.png"}


@pytest.mark.parametrize("name", ["face.pgm", "face.jp2", "face"])
def test_copies_are_in_formats_that_hold_colours(face, tmp_path, name):
    AnnotatedFolder(tmp_path, [Path(name)]).write(prediction(name, face), IMAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_a_copy_never_takes_the_place_of_an_image(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "face.png"), IMAGE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"face.png is one of the images itself"):
        AnnotatedFolder(tmp_path, [Path("elsewhere/other.png"), Path("face.png")])


FACE = FaceEmotion(Box(10, 20, 30, 40), "happy", 0.75, np.float32([0, 0, 0, 0.75, 0.25, 0, 0]), 4, False, 1.23456)


def result(time=0.0, faces=()):
    return FrameResult(list(faces), time, 640, 480, detection_ms=8.76543, inference_ms=1.5, full_scan=True)


def test_a_line_a_frame(tmp_path):
    path = tmp_path / "new" / "log.jsonl"
    with FrameLog(path) as log:
        log.write(0, result())
        log.write(7, result(1 / 3, [FACE]))
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["faces"] == []
    assert second == {
        "index": 7,
        "time": 0.333333,
        "width": 640,
        "height": 480,
        "detection_ms": 8.765,
        "inference_ms": 1.5,
        "faces": [
            {
                "id": 4,
                "age": 1.235,
                "box": [10, 20, 30, 40],
                "label": "happy",
                "confidence": 0.75,
                "uncertain": False,
                "probabilities": dict(zip(EMOTIONS, [0, 0, 0, 0.75, 0.25, 0, 0], strict=True)),
            }
        ],
    }


def test_a_line_can_be_read_before_the_next_frame(tmp_path):
    with FrameLog(tmp_path / "log.jsonl") as log:
        for index in range(3):
            log.write(index, result())
            assert len((tmp_path / "log.jsonl").read_text().splitlines()) == index + 1


def test_an_older_log_is_replaced(tmp_path):
    for _ in range(2):
        with FrameLog(tmp_path / "log.jsonl") as log:
            log.write(0, result())
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 1


def test_what_is_no_json_is_never_written(tmp_path):
    with FrameLog(tmp_path / "log.jsonl") as log, pytest.raises(ValueError, match="JSON"):
        log.write(0, result(time=float("nan")))
    assert (tmp_path / "log.jsonl").read_text() == ""


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FemoError, match=r"log\.jsonl: cannot be written"):
        FrameLog(tmp_path / "file" / "log.jsonl")


def test_a_full_disk_is_reported_once():
    with pytest.raises(FemoError, match="No space left"), FrameLog(Path("/dev/full")) as log:
        log.write(0, result())


def test_a_named_pipe_that_nothing_reads_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FemoError, match="pipe: cannot be written"):
        FrameLog(tmp_path / "pipe")


def test_an_image_comes_back(tmp_path):
    path = tmp_path / "new" / "face.png"
    write_image(path, IMAGE)
    np.testing.assert_array_equal(cv2.imread(str(path)), IMAGE)


@pytest.mark.parametrize("name", ["face", "face.docx"])
def test_a_format_that_is_not_written_is_an_error(tmp_path, name):
    with pytest.raises(FemoError, match=f"{name}: .*try .png"):
        write_image(tmp_path / name, IMAGE)
    assert not list(tmp_path.iterdir())
