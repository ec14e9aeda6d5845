"""Classifiers of other projects behind the interface that `femo benchmark` uses.

`femo`'s models, its ONNX models included, PyPI's `fer` (`fer`, where it is installed) and ONNX files of other programs.
Beside such a file, `NAME.onnx`, lies `NAME.json`, which states what it does not: `class_names`, a list in the order of
its outputs, and optionally `image_size` (64), `channels` (1, or 3: RGB), `layout` (NCHW or NHWC), `mean` and `std` (0
and 1; of pixels in 0..255) and `outputs` (logits or probabilities).
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from scipy.special import softmax

from femo_jax.emotions import check_class_names
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.live.detection import Detector
from femo_jax.live.image import Box, InputImage, crop_faces
from femo_jax.live.onnx_network import OnnxNetwork
from femo_jax.model_file import logits_function
from femo_jax.onnx_model import load_onnx_model
from femo_jax.weights import load_model

FER = "fer"
"""The word that stands for PyPI's package fer."""

_ONNX = {"image_size": 64, "channels": 1, "layout": "NCHW", "mean": 0.0, "std": 1.0, "outputs": "logits"}


class Classifier(NamedTuple):
    """A model of any project.

    Attributes:
      name: as the user gave it.
      class_names: in the order of the probabilities.
      predict: faces `[n, 48, 48, 1] uint8` -> probabilities `[n, c]`.
      largest_face: the probabilities `[c]` of the largest face in an image, or None where none is found.
    """

    name: str
    class_names: tuple[str, ...]
    predict: Callable[[np.ndarray], np.ndarray]
    largest_face: Callable[[InputImage], np.ndarray | None]


def load_classifier(name: str | os.PathLike[str], detector: Detector) -> Classifier:
    """A classifier by name or path.

    Args:
      name: `fer`, a path that ends in `.onnx`, or a model as `femo_jax.weights.load_model` takes it.
      detector: finds faces in whole images, but for `fer`, which has its own.

    Raises:
      FemoError: there is no such model, or a file is not what it should be.
    """
    name = os.fspath(name)
    if name == FER and not Path(name).exists():
        return _fer()
    if name.endswith(".onnx"):
        return _onnx(Path(name), detector)
    loaded = load_model(name)
    network = logits_function(loaded)

    def predict(faces: np.ndarray) -> np.ndarray:
        return predict_probabilities(network, faces)

    return Classifier(name, tuple(loaded.classes), predict, _by_detector(detector, predict, loaded.image_size))


def _by_detector(
    detector: Detector, predict: Callable[[np.ndarray], np.ndarray], size: int
) -> Callable[[InputImage], np.ndarray | None]:
    def largest_face(image: InputImage) -> np.ndarray | None:
        boxes = detector.detect(image)
        if not boxes:
            return None
        crop = crop_faces(image.grey, [_largest(boxes)], detector.geometry, size)
        return predict(crop[..., None])[0]

    return largest_face


def _largest(boxes: Sequence[Box]) -> Box:
    return max(boxes, key=lambda box: box.w * box.h)


def _onnx(path: Path, detector: Detector) -> Classifier:
    if not path.with_suffix(".json").exists():
        return _femo_onnx(path, detector)
    described = _description(path)
    try:
        network = cv2.dnn.readNetFromONNX(str(path))
    except cv2.error as error:
        raise ModelFileError(f"{path}: not an ONNX file that OpenCV reads ({str(error).splitlines()[0]})") from error
    names, size, channels = tuple(described["class_names"]), described["image_size"], described["channels"]

    def predict(faces: np.ndarray) -> np.ndarray:
        outputs = []
        for face in faces:
            pixels = cv2.resize(face[..., 0], (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
            pixels = np.repeat(((pixels - described["mean"]) / described["std"])[..., None], channels, axis=-1)
            network.setInput(pixels.transpose(2, 0, 1)[None] if described["layout"] == "NCHW" else pixels[None])
            outputs.append(network.forward().reshape(-1))
        values = np.array(outputs, np.float64)
        if values.shape[1] != len(names):
            raise ModelFileError(f"{path}: gives {values.shape[1]} outputs, and {path.stem}.json names {len(names)}")
        return softmax(values, axis=1) if described["outputs"] == "logits" else values

    return Classifier(str(path), names, predict, _by_detector(detector, predict, size))


def _femo_onnx(path: Path, detector: Detector) -> Classifier:
    try:
        model = load_onnx_model(path)
    except ModelFileError as error:
        raise ModelFileError(
            f"{error} That of another program needs a file {path.stem}.json beside it: a JSON object with class_names,"
            " a list in the order of its outputs."
        ) from error
    network = OnnxNetwork(model)

    def predict(faces: np.ndarray) -> np.ndarray:
        return network(faces[..., 0])

    return Classifier(str(path), model.classes, predict, _by_detector(detector, predict, model.image_size))


def _description(path: Path) -> dict[str, Any]:
    beside = path.with_suffix(".json")
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file")
    try:
        described = _ONNX | json.loads(beside.read_text("utf-8"))
        check_class_names(described["class_names"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{beside}: expected a JSON object with class_names, a list in the order of the outputs of {path.name}"
            f" ({type(error).__name__}: {error})"
        ) from error
    wrong = [f"{name} is {described[name]!r}" for name, valid in _valid(described).items() if not valid]
    if unknown := sorted(described.keys() - _ONNX.keys() - {"class_names"}):
        wrong.append(f"{', '.join(unknown)} is unknown")
    if wrong:
        raise ModelFileError(f"{beside}: {'; '.join(wrong)}. Expected class_names, {', '.join(_ONNX)}")
    return described


def _valid(described: dict[str, Any]) -> dict[str, bool]:
    return {
        "image_size": isinstance(described["image_size"], int) and 8 <= described["image_size"] <= 1024,
        "channels": described["channels"] in (1, 3),
        "layout": described["layout"] in ("NCHW", "NHWC"),
        "mean": isinstance(described["mean"], int | float),
        "std": isinstance(described["std"], int | float) and described["std"] > 0,
        "outputs": described["outputs"] in ("logits", "probabilities"),
    }


def _fer() -> Classifier:
    try:
        from fer.fer import FER as Recogniser  # noqa: N811  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            f"fer: PyPI's package fer is not usable here ({error}). Install it: pip install fer"
        ) from error
    # By default it takes ten pixels more on each side, which FER-2013's crops do not have.
    network, of_crops = Recogniser(), Recogniser(offsets=(0, 0))
    names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    def probabilities(found: dict[str, Any]) -> np.ndarray:
        values = np.array([found["emotions"][name] for name in names], np.float64)
        return values / max(values.sum(), np.finfo(np.float32).tiny)

    def predict(faces: np.ndarray) -> np.ndarray:
        rows = []
        for face in faces:
            height, width = face.shape[:2]
            image = cv2.cvtColor(np.ascontiguousarray(face[..., 0]), cv2.COLOR_GRAY2BGR)
            rows.append(probabilities(of_crops.detect_emotions(image, face_rectangles=[(0, 0, width, height)])[0]))
        return np.array(rows)

    def largest_face(image: InputImage) -> np.ndarray | None:
        found = network.detect_emotions(image.bgr)
        return probabilities(max(found, key=lambda face: face["box"][2] * face["box"][3])) if found else None

    return Classifier(FER, names, predict, largest_face)
