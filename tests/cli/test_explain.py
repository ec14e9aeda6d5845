import json
import os
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax import weights
from femo_jax.cli import images
from femo_jax.cli.main import main
from femo_jax.emotions import EMOTIONS
from femo_jax.figures import explanation as figure
from femo_jax.live import detection
from femo_jax.live import recognizer as recognition
from femo_jax.live.image import Box, CropGeometry, DetectedFace
from femo_jax.live.recognizer import EmotionRecognizer


class TwoFaces:
    """A detector that finds two faces in bright images and none in dark ones."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def detect(self, image, *, still=True):
        return [Box(0, 0, 40, 40), Box(40, 10, 40, 40)] if image.grey[0, 0] > 100 else []


@pytest.fixture(scope="module")
def recognizer(random_model):
    return EmotionRecognizer(replace(random_model, temperature=1e3), TwoFaces(), batch_sizes=(2,))


@pytest.fixture(autouse=True)
def quick(recognizer, monkeypatch):
    """No model is loaded."""
    monkeypatch.setattr(weights, "load_for_recognition", lambda *_: recognizer.model)
    monkeypatch.setattr(detection, "create_detector", lambda _: recognizer.detector)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder: bright.png with two faces, dark.png without, broken.png."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    cv2.imwrite("bright.png", rng.integers(150, 255, (60, 80, 3), np.uint8))
    cv2.imwrite("dark.png", rng.integers(0, 50, (60, 80, 3), np.uint8))
    Path("broken.png").write_bytes(Path("bright.png").read_bytes()[:50])
    return tmp_path


def explained(output):
    """The explanations of each face in JSON."""
    return [face["explanations"] for image in json.loads(output)["images"] for face in image["faces"]]


def test_a_face_is_explained_as_it_was_classified(folder, monkeypatch):
    """Upright, where the detector gives the eyes."""
    eyes = np.array([[10.0, 10.0], [30.0, 25.0], [20.0, 20.0], [12.0, 30.0], [25.0, 35.0]])
    monkeypatch.setattr(TwoFaces, "detect", lambda *_, **__: [DetectedFace.of(Box(0, 0, 40, 40), 0.9, eyes)])
    classified, shown = [], []
    monkeypatch.setattr(EmotionRecognizer, "classify", lambda _, crops: classified.append(crops) or np.eye(7)[[3]])
    monkeypatch.setattr(figure, "draw_faces", lambda rows, *_: shown.extend(row.crop for row in rows))
    assert main(["explain", "bright.png", "-o", "figure.png", "--steps", "4"]) == 0
    np.testing.assert_array_equal(shown, classified[-1])


def test_a_figure_and_the_numbers(folder, capsys, recognizer):
    arguments = ["bright.png", "dark.png", "bright.png", "-o", "new/figure.pdf", "--json", "-", "--steps", "4"]
    assert main(["explain", *arguments]) == 0
    said = capsys.readouterr()
    assert Path("new/figure.pdf").stat().st_size > 10_000
    record = json.loads(said.out)
    assert (record["grad_cam_layer"], record["layer_cam_layer"]) == ([3, 3, 4], [12, 12, 4])
    assert (record["baseline"], record["steps"]) == ("grey", 4)
    assert [image["path"] for image in record["images"]] == ["bright.png", "dark.png"]
    faces = record["images"][0]["faces"]
    assert [face["box"] for face in faces] == [[0, 0, 40, 40], [40, 10, 40, 40]]
    for face, expected in zip(faces, recognizer(cv2.imread("bright.png")), strict=True):
        (explanation,) = face["explanations"]
        assert explanation["label"] == face["label"] == expected.label
        assert np.shape(explanation["grad_cam"]) == (3, 3)
        assert np.shape(explanation["layer_cam"]) == (12, 12)
        missed = explanation["attributed"] - (explanation["logit"] - explanation["baseline_logit"])
        assert explanation["gap"] == pytest.approx(missed, abs=1e-3)
    assert "femo: 2 images, 2 faces, 0 unreadable\n" in said.err
    assert "largest completeness error" in said.err


def test_each_face_is_explained_by_its_own_crop(folder, capsys, recognizer):
    image = cv2.imread("bright.png")
    image[:, :44] = 200  # a crop is interpolated, and so sees a little more
    cv2.imwrite("bright.png", image)
    cv2.imwrite("left.png", image[:40, :40])
    found = []
    for arguments in (["bright.png"], ["left.png", "--faces", "cropped"]):
        assert main(["explain", *arguments, "--steps", "2", "--json", "-"]) == 0
        found.append(explained(capsys.readouterr().out))
    (left, right), (alone,) = found
    assert left[0]["logit"] == pytest.approx(alone[0]["logit"], rel=1e-5)
    assert left[0]["logit"] != pytest.approx(right[0]["logit"], rel=1e-5)


def test_emotions_can_be_chosen(folder, capsys, recognizer):
    probabilities = recognizer.cropped(cv2.imread("dark.png")).probabilities
    likely = [EMOTIONS[index] for index in np.argsort(-probabilities)]
    for options, labels in (([], likely[:1]), (["--top", "3"], likely[:3]), (["--emotion", likely[5]], [likely[5]])):
        assert main(["explain", "dark.png", "--faces", "cropped", "--steps", "1", "--json", "-", *options]) == 0
        (explanations,) = explained(capsys.readouterr().out)
        assert [explanation["label"] for explanation in explanations] == labels
    assert Path("explain.png").stat().st_size > 10_000


def test_no_face_and_what_cannot_be_read(folder, capsys):
    assert main(["explain", "dark.png"]) == 1
    assert main(["explain", "broken.png", "nothing-*.png", "bright.png", "--steps", "1", "-o", "bright.svg"]) == 1
    errors = capsys.readouterr().err
    assert "femo: 1 image, 0 faces, 0 unreadable\n" in errors
    assert "px or more in 1 image; --detector.min-size" in " ".join(errors.split())
    assert "femo: broken.png: " in errors
    assert "femo: 1 image, 2 faces, 2 unreadable\n" in errors
    assert not Path("explain.png").exists()
    assert Path("bright.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "femo explain IMAGE"),
        (["bright.png", "--top", "8"], "--top is 8; expected 1 to 7"),
        (["bright.png", "--top", "2", "--emotion", "happy"], "--emotion and --top exclude each other"),
        (["bright.png", "--layer", "7"], "there are 48, 24, 12, 6, 3"),
        (["bright.png", "-o", "figure.bmp"], "unknown figure format"),
        (["bright.png", "--steps", "0"], "0 steps of Integrated Gradients: expected 1 to 4,096"),
        (["bright.png", "--steps", "100000000000"], "100,000,000,000 steps of Integrated Gradients"),
    ],
)
def test_what_cannot_be_explained(folder, capsys, arguments, words):
    assert main(["explain", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bright.png", "-o", "bright.png"], "bright.png: is also an input. Give --output another file."),
        (["explain.png"], "explain.png: is also an input"),
        (["bright.png", "--json", "./bright.png"], "Give --json another file."),
        (["bright.png", "-o", "a.png", "--json", "a.png"], "a.png: is named by --output and --json"),
    ],
)
def test_nothing_is_written_over_the_images_or_twice(folder, capsys, arguments, said):
    Path("dark.png").rename("explain.png")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["explain", *arguments, "--steps", "1"]) == 2
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_too_many_faces_are_told_at_once(folder, capsys, monkeypatch):
    read = []

    def read_named(paths, unreadable, really=images.read_named):
        for path, image in really(paths, unreadable):
            read.append(path.name)
            yield path, image

    monkeypatch.setattr(images, "read_named", read_named)
    monkeypatch.setattr("femo_jax.figures.explanation.MAX_ROWS", 3)
    for name in ("a.png", "b.png", "c.png"):
        Path(name).write_bytes(Path("bright.png").read_bytes())
    assert main(["explain", "a.png", "b.png", "c.png"]) == 2
    assert "more than 3 faces, the most that one figure shows" in capsys.readouterr().err
    assert read == ["a.png", "b.png"]


def test_one_image_is_in_memory_at_a_time(folder, monkeypatch):
    images = []

    def recognize_stills(recognizer, batch, really=recognition.recognize_stills, **options):
        images.extend(map(weakref.ref, batch))
        assert sum(image() is not None for image in images[:-1]) <= 1  # the one before may just be going
        return really(recognizer, batch, **options)

    monkeypatch.setattr(recognition, "recognize_stills", recognize_stills)
    for name in ("a.png", "b.png", "c.png"):
        Path(name).write_bytes(Path("bright.png").read_bytes())
    assert main(["explain", "a.png", "b.png", "c.png", "--steps", "1"]) == 0
    assert len(images) == 3


def test_a_name_that_is_no_utf8(folder):
    name = os.fsdecode(b"caf\xe9.png")
    Path("bright.png").rename(name)
    assert main(["explain", name, "--steps", "1", "-o", "figure.svg", "--json", "faces.json"]) == 0
    assert Path("figure.svg").stat().st_size > 10_000
    assert json.loads(Path("faces.json").read_text())["images"][0]["path"] == r"caf\xe9.png"
