import json
import sys
import zipfile
from types import ModuleType

import cv2
import numpy as np
import pytest

from femo_jax.cli.main import main
from femo_jax.data.load import load_split
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError, DataError, ModelFileError
from femo_jax.evaluate import benchmark as module
from femo_jax.evaluate.benchmark import benchmark, read_whole_images
from femo_jax.evaluate.classifiers import Classifier, load_classifier
from femo_jax.export.onnx_file import onnx_model, save_onnx_model
from femo_jax.live.image import WHOLE_IMAGE, Box, InputImage
from femo_jax.weights import load_model


class LeftHalf:
    """A detector that finds the left half of every image that is not black."""

    geometry = WHOLE_IMAGE

    def detect(self, image, *, still=True):
        return [Box(0, 0, image.width / 2, image.height)] if image.grey.any() else []


def by_brightness(faces):
    """Bright faces are happy, dark ones sad."""
    bright = faces.reshape(len(faces), -1).mean(axis=1) > 127
    return np.where(bright[:, None], [0.9, 0.1], [0.2, 0.8])


@pytest.fixture
def stand_in(monkeypatch):
    """Has every name be a classifier of two classes."""

    def largest(image):
        return by_brightness(image.grey[None, ..., None])[0] if image.grey.any() else None

    def load(name, detector):
        return Classifier(str(name), ("happy", "sad"), by_brightness, largest)

    monkeypatch.setattr(module, "load_classifier", load)


def faces_of(values, names=("sad", "happiness")):
    images = np.array(values, np.uint8)[:, None, None, None] * np.ones((1, 48, 48, 1), np.uint8)
    labels = (np.array(values) > 127).astype(np.int32)
    return Split(images, labels, np.arange(len(values)).astype(str), None, names)


def test_rows_are_without_images_of_the_training_data(stand_in, monkeypatch):
    splits = {"test": faces_of([10, 20, 200, 210]), "train": faces_of([20, 30])}
    monkeypatch.setattr(module, "load_split", lambda data, split: splits[split])
    monkeypatch.setattr(module, "available_splits", lambda data: tuple(splits))
    first, second = benchmark(["a", "b"], ["faces"], training_data="faces", draws=20)
    assert (first["model"], second["model"]) == ("a", "b")
    assert first["n"] == 3 and first["overlap_removed"] == 1
    assert first["metrics"]["accuracy"]["value"] == 1.0 and first["common_classes"] is None
    splits["test"] = splits["train"]
    with pytest.raises(DataError, match="all images of test"):
        benchmark(["a"], ["faces"], training_data="faces")


def test_data_without_a_test_split_are_measured_on_their_validation_split(stand_in, monkeypatch):
    splits = {"train": faces_of([10]), "validation": faces_of([10, 250, 240])}
    monkeypatch.setattr(module, "load_split", lambda data, split: splits[split])
    monkeypatch.setattr(module, "available_splits", lambda data: tuple(splits))
    (row,) = benchmark(["a"], ["faces"], draws=5)
    assert (row["split"], row["n"]) == ("validation", 3)
    (row,) = benchmark(["a"], ["faces"], split="train", draws=5)
    assert (row["split"], row["n"]) == ("train", 1)


def test_corrupted_faces_are_measured_where_asked_for(stand_in, monkeypatch):
    monkeypatch.setattr(module, "load_split", lambda data, split: faces_of([10, 250]))
    monkeypatch.setattr(module, "available_splits", lambda data: ("test",))
    (row,) = benchmark(["a"], ["faces"], corruptions=True, draws=5)
    assert 0 < row["corrupted"]["mean_accuracy"] <= 1 and 0 < row["corrupted"]["mean_ece"] < 1


def photo(value):
    return cv2.imencode(".png", np.full((60, 80, 3), value, np.uint8))[1].tobytes()


@pytest.fixture
def photos(tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in {
            "joy/0.png": 200,
            "joy/1.png": 20,
            "sad/0.png": 0,
            "sad/1.png": 20,
            "bored/0.png": 200,
            "notes.txt": 0,
        }.items():
            archive.writestr(name, photo(value))
    return path


def test_whole_images_count_those_without_a_face(stand_in, photos):
    (row,) = benchmark(["a"], whole_images=[photos], draws=5)
    assert (row["images"], row["n"], row["found"]) == (4, 3, 0.75)
    assert row["metrics"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert row["accuracy_of_all"]["accuracy"] == 0.5
    assert row["left_out"] == {"model_classes": [], "data_classes": ["bored"], "images": 1}


def test_a_folder_is_read_as_a_zip_and_others_are_refused(photos, tmp_path):
    with zipfile.ZipFile(photos) as archive:
        archive.extractall(tmp_path / "folder")
    one, other = ([label for label, _ in read_whole_images(path)] for path in (photos, tmp_path / "folder"))
    assert one == other == ["bored", "happy", "happy", "sad", "sad"]
    (tmp_path / "folder" / "sad" / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"sad/1\.png cannot be read"):
        list(read_whole_images(tmp_path / "folder"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image in a class folder"):
        list(read_whole_images(tmp_path / "empty"))


def test_fer_is_used_where_it_is_installed_and_named_where_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "fer", None)
    with pytest.raises(ConfigError, match="pip install fer"):
        load_classifier("fer", LeftHalf())
    order = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    emotions = dict.fromkeys(order, 0.0) | {"sad": 0.5, "happy": 0.25}

    class FER:
        def __init__(self, offsets=(10, 10)):
            self.offsets = offsets

        def detect_emotions(self, image, face_rectangles=None):
            assert self.offsets == ((0, 0) if face_rectangles else (10, 10))  # a crop of FER-2013 has no margin
            small = {"box": (0, 0, 9, 9), "emotions": dict.fromkeys(order, 1.0)}
            return [{"box": (0, 0, 48, 48), "emotions": emotions}, *([] if face_rectangles else [small])]

    for name, content in (("fer", {}), ("fer.fer", {"FER": FER})):
        found = ModuleType(name)
        vars(found).update(content)
        monkeypatch.setitem(sys.modules, name, found)
    fer = load_classifier("fer", LeftHalf())
    face = fer.predict(np.zeros((2, 48, 48, 1), np.uint8))
    assert face.shape == (2, 7) and face[0, order.index("sad")] == pytest.approx(2 / 3)
    whole = fer.largest_face(InputImage.of(np.zeros((60, 80, 3), np.uint8)))
    np.testing.assert_allclose(whole, face[0])


class Network:
    """Of OpenCV: the logits are the mean pixel, and 0."""

    def setInput(self, blob):  # noqa: N802
        self.blob = blob

    def forward(self):
        return np.array([[self.blob.mean(), 0.0]])


def test_onnx_files_are_described_by_a_file_beside_them(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    with pytest.raises(ModelFileError, match=r"net\.onnx: no such model file"):
        load_classifier(path, LeftHalf())
    path.write_bytes(b"not onnx")
    with pytest.raises(ModelFileError, match=r"needs a file net\.json beside it: a JSON object with class_names"):
        load_classifier(path, LeftHalf())
    beside = tmp_path / "net.json"
    beside.write_text(json.dumps({"class_names": ["happy", "sad"], "layout": "HW", "size": 3}))
    with pytest.raises(ModelFileError, match="layout is 'HW'; size is unknown"):
        load_classifier(path, LeftHalf())
    beside.write_text(json.dumps({"class_names": ["happy", "sad"], "image_size": 32, "channels": 3, "mean": 100}))
    with pytest.raises(ModelFileError, match="not an ONNX file that OpenCV reads"):
        load_classifier(path, LeftHalf())
    network = Network()
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", lambda _: network)
    onnx = load_classifier(path, LeftHalf())
    found = onnx.predict(np.full((1, 48, 48, 1), 102, np.uint8))
    assert network.blob.shape == (1, 3, 32, 32)
    np.testing.assert_allclose(found, [[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))]], rtol=1e-5)
    assert onnx.largest_face(InputImage.of(np.zeros((60, 80, 3), np.uint8))) is None


def test_an_onnx_model_of_femo_needs_no_description_and_gives_what_the_model_gives(tmp_path):
    path = tmp_path / "small.onnx"
    loaded = load_model("small")
    save_onnx_model(path, loaded, onnx_model(loaded))
    faces = load_split("drawn", "validation").images[:8]
    of_file, of_model = (load_classifier(name, LeftHalf()) for name in (path, "small"))
    assert of_file.class_names == of_model.class_names
    np.testing.assert_allclose(of_file.predict(faces), of_model.predict(faces), atol=1e-4)


def test_the_command_prints_a_table_and_writes_json_and_a_figure(tmp_path, capsys):
    outputs = [str(tmp_path / name) for name in ("b.json", "b.png")]
    assert (
        main(["benchmark", "small", "--data", "drawn", "--draws", "20", "--json", outputs[0], "--figure", outputs[1]])
        == 0
    )
    assert "balanced accuracy" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert row["model"] == "small" and row["left_out"]["images"] == 0
    assert (tmp_path / "b.png").stat().st_size > 5_000
    assert main(["benchmark", "small"]) == 2
    assert "--data DATA" in capsys.readouterr().err
