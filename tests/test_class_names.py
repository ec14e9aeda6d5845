"""Models with class names of their own, from training to every output."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from rich.console import Console

from femo_jax.data.drawn import draw_face
from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import ConfigError, DataError, ModelFileError
from femo_jax.explain.faces import Explainer
from femo_jax.figures.explanation import ExplainedFace, draw_faces
from femo_jax.live.config import DrawConfig, StreamConfig, TrackConfig
from femo_jax.live.drawing.draw import draw
from femo_jax.live.image import Box, CropGeometry, InputImage
from femo_jax.live.output.records import Prediction, csv_text
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
from femo_jax.model_file import load_model_file, logits_function, save_model_file
from femo_jax.runs import train_run
from femo_jax.train.augment import Augmentation
from femo_jax.train.config import TrainConfig
from femo_jax.train.targets import load_soft_labels, save_soft_labels
from femo_jax.train.workdir import check_workdir, describe_data
from femo_jax.weights import load_model

pytestmark = pytest.mark.usefixtures("unoptimised")

THREE = ("smile", "neutral", "frown")
EIGHT = (*EMOTIONS, "contempt")
CONFIG = TrainConfig(
    model_options={"widths": (4,)},
    augmentation=Augmentation(rotation=0, scale=0, translation=0, brightness=0, contrast=0),
    epochs=1,
    batch_size=12,
    eval_batch_size=12,
    learning_rate=0.01,
    class_weights="balanced",
)


def split_of(class_names, seed):
    """Noise in which each class has a shade of its own."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(36) % len(class_names)).astype(np.int32)
    shades = 40 + 180 * labels // (len(class_names) - 1)
    images = (shades[:, None, None, None] + rng.integers(-20, 20, (36, 48, 48, 1))).astype(np.uint8)
    return Split(images, labels, labels.astype(str), class_names=class_names)


class WholeFrame:
    """A detector that finds one face, the middle of the frame."""

    geometry = CropGeometry(1.0, 0.0)

    def detect(self, image, *, still=True):
        side = min(image.width, image.height) / 2
        return [Box((image.width - side) / 2, (image.height - side) / 2, side, side)]

    def detect_near(self, image, boxes, window, scales):
        return self.detect(image)


@pytest.fixture(scope="module", params=[THREE, EIGHT], ids=["three classes", "eight classes"])
def trained(request, tmp_path_factory):
    """Class names and the run folder of one epoch."""
    workdir = tmp_path_factory.mktemp("run")
    train_run(CONFIG, workdir, split_of(request.param, 0), split_of(request.param, 1), console=Console(quiet=True))
    return request.param, workdir


@pytest.fixture(scope="module")
def recognizer(trained, tmp_path_factory):
    """The model of the run, by way of a model file."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model_file(path, load_model(trained[1]))
    return EmotionRecognizer.load(path, WholeFrame(), batch_sizes=(1,))


def test_report_and_figures_of_a_run_have_its_classes(trained):
    names, workdir = trained
    report = json.loads((workdir / "report.json").read_text())
    assert list(report["per_class"]) == list(names)
    assert np.shape(report["confusion"]) == (len(names), len(names))
    assert (workdir / "confusion.png").stat().st_size > 1000


def test_a_run_resumes_with_its_classes_and_no_others(trained, tmp_path_factory):
    names, workdir = trained
    longer = dataclasses.replace(CONFIG, epochs=2)
    quiet = Console(quiet=True)
    for wrong in (names[::-1], (*names[:-1], "other")):
        data = [split_of(names, seed)._replace(class_names=wrong) for seed in (0, 1)]
        with pytest.raises(ConfigError, match=r"another configuration:\n  data.classes.names: .* before, .* now"):
            train_run(longer, workdir, *data, console=quiet)
    train_run(longer, workdir, split_of(names, 0), split_of(names, 1), console=quiet)
    assert load_model(workdir).classes == names


def test_splits_with_different_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"smile, neutral, frown.*expected the same"):
        train_run(CONFIG, tmp_path, split_of(THREE, 0), split_of(THREE[::-1], 1), console=Console(quiet=True))
    assert not any(tmp_path.iterdir())


def test_stills_tables_and_drawings_have_the_classes(trained, recognizer):
    names, _ = trained
    assert recognizer.class_names == names
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    (result,) = recognize_stills(recognizer, [InputImage(image)])
    (face,) = result.faces
    assert face.label == names[face.probabilities.argmax()] and face.probabilities.shape == (len(names),)
    assert list(face.as_dict()["probabilities"]) == list(names)
    header, row = csv_text([Prediction("a.png", result)], names).splitlines()
    assert header.endswith(",confidence," + ",".join(names)) and len(row.split(",")) == len(header.split(","))
    assert (draw(image, result.faces, DrawConfig(bars=True)) != draw(image, result.faces, DrawConfig())).any()


def test_tracks_have_the_classes(trained, recognizer):
    names, _ = trained
    stream = recognizer.stream(StreamConfig(track=TrackConfig(min_hits=1, uncertain_for_ms=0)))
    image = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    faces = [face for time in (0.0, 0.1, 0.2) for face in stream(image, time).faces]
    assert faces and all(face.label in names and face.class_names == names for face in faces)


def test_explanations_have_the_classes(trained, recognizer, tmp_path):
    names, _ = trained
    explainer = Explainer(recognizer.model, steps=2)
    crop = np.random.default_rng(2).integers(0, 255, (48, 48)).astype(np.uint8)
    explained = explainer(crop, names[-1])
    assert explained.label == names[-1]
    probabilities = recognizer.classify(crop[None])[0]
    draw_faces([ExplainedFace("face", crop, probabilities, [explained])], explainer, tmp_path / "explained.svg")
    drawn = (tmp_path / "explained.svg").read_text()
    assert all(f"<!-- {name} -->" in drawn for name in names)


def test_soft_labels_have_the_classes(trained, tmp_path):
    names, _ = trained
    split, path = split_of(names, 0), tmp_path / "soft.safetensors"
    probabilities = np.random.default_rng(3).dirichlet(np.ones(len(names)), 36).astype(np.float32)
    save_soft_labels(path, split, probabilities, ["teacher"])
    np.testing.assert_array_equal(load_soft_labels(path, split), probabilities)
    with pytest.raises(DataError, match="its classes are"):
        load_soft_labels(path, split._replace(class_names=names[::-1]))


def test_a_file_with_a_class_too_many_is_refused(trained, tmp_path):
    names, workdir = trained
    model = dataclasses.replace(load_model(workdir), classes=(*names, "more"))
    with pytest.raises(ModelFileError, match=rf"float32\[1, {len(names)}\] for one image"):
        save_model_file(tmp_path / "model.safetensors", model)
    assert not any(tmp_path.iterdir())


def test_the_class_names_of_a_file_come_back(recognizer, trained, tmp_path):
    path = tmp_path / "again.safetensors"
    save_model_file(path, recognizer.model)
    assert load_model_file(path).classes == trained[0]


BEFORE = np.array(
    [
        [0.0635602, 0.0068985, 0.0288716, 0.0526702, 0.6978284, 0.1323498, 0.0178214],
        [0.5268189, 0.022324, 0.117124, 0.0057624, 0.0506544, 0.2625645, 0.0147517],
    ]
)
"""Probabilities of `femonet-small` for two drawn faces, by femo at commit 38e260e, before class names were data."""


def test_a_model_file_from_before_has_its_probabilities():
    rng = np.random.default_rng(0)
    faces = np.stack([draw_face(emotion, rng) for emotion in (Emotion.ANGRY, Emotion.DISGUST)])[..., None]
    model = load_model("femonet-small")
    assert model.classes == EMOTIONS
    np.testing.assert_allclose(jax.nn.softmax(logits_function(model)(faces)), BEFORE, atol=1e-6)


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    """A run of one epoch on the classes of FER-2013."""
    workdir = tmp_path_factory.mktemp("seven") / "run"
    train_run(CONFIG, workdir, split_of(EMOTIONS, 0), split_of(EMOTIONS, 1), console=Console(quiet=True))
    return workdir


def test_a_workdir_from_before_has_its_probabilities_and_may_be_resumed(seven, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(seven, old)
    record = json.loads((old / "config.json").read_text())
    for name in ("init", "freeze", "head_lr_multiplier", "layer_lr_decay"):
        del record["config"][name]
    assert record.pop("fine_tuning", None) is None and "classes" not in record["data"]
    (old / "config.json").write_text(json.dumps(record))
    images = split_of(EMOTIONS, 1).images
    expected = jax.nn.softmax(logits_function(load_model(seven))(images))
    assert load_model(old).classes == EMOTIONS
    np.testing.assert_allclose(jax.nn.softmax(logits_function(load_model(old))(images)), expected, atol=1e-6)
    data = describe_data(split_of(EMOTIONS, 0), split_of(EMOTIONS, 1), CONFIG)
    check_workdir(old, dataclasses.replace(CONFIG, epochs=2), data, may_lengthen=True)
    with pytest.raises(ConfigError, match="seed"):
        check_workdir(old, dataclasses.replace(CONFIG, seed=1), data)
