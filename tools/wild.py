"""Zero-shot, fine-tuned and trained from scratch, on whole images from outside FER-2013.

    python -m tools.wild wild.zip results/wild.jsonl --work runs/wild

The zip holds `<class>/<number>_p<person>.jpg`; the 876 images of the study are not part of femo. In each image the
largest face counts (Haar cascade). Five folds are made by person and class, so that no person is in two of them; each
fold is tested once per seed, a fifth of the others' persons choose the best epoch, and the rest is trained on. The
recipe is `femo_jax/configs/finetune.py`; from scratch, it has no starting weights, and one learning rate for as many
epochs. A line of the result is a model, a way of training and a seed, over the images of all folds. A run that was
stopped continues where it was.
"""

import argparse
import dataclasses
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import create_detector
from femo_jax.live.image import Box, InputImage, crop_faces
from femo_jax.model_file import logits_function
from femo_jax.runs import with_network_of_init
from femo_jax.train.checkpoints import load_for_inference
from femo_jax.train.config import TrainConfig, load_config
from femo_jax.train.loop import train
from femo_jax.train.progress import SilentReporter
from femo_jax.weights import load_model

FOLDS, SEEDS = 5, (0, 1, 2)
MODELS = ("default", "small")


def read_faces(
    path: Path, config: DetectorConfig | None = None, degrees: float = 0.0, *, upright: bool = True
) -> dict[str, np.ndarray]:
    """The largest face of each image.

    Args:
      path: the zip.
      config: of the detector; Haar cascades by default.
      degrees: by how much each image is turned about its middle first, counter-clockwise; its border is repeated.
      upright: crop a face with landmarks as live use does, and not as it is.

    Returns:
      `images [n, 48, 48, 1]`, `labels`, `persons` of those found, and `n` of all.
    """
    detector = create_detector(config or DetectorConfig())
    crops, labels, persons, count = [], [], [], 0
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if not (found := re.fullmatch(r"(\w+)/\d+_p(\d+)\.\w+", name)):
                continue
            count += 1
            pixels = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            image = InputImage.of(_turned(pixels, degrees) if degrees else pixels)
            boxes = detector.detect(image)
            if boxes:
                largest = max(boxes, key=lambda box: box.w * box.h)
                largest = largest if upright else Box(*largest)
                crops.append(crop_faces(image.grey, [largest], detector.geometry)[0][..., None])
                labels.append(EMOTIONS.index(found[1]))
                persons.append(int(found[2]))
    arrays = {"images": np.stack(crops), "labels": np.array(labels, np.int32), "persons": np.array(persons)}
    return arrays | {"n": np.array(count)}


def read_arguments(description: str) -> argparse.Namespace:
    """The command line of a study with YuNet: `data` and `results`, which are paths, and `yunet`, a path or None."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--yunet", type=Path, help="a model file; without, femo's own is fetched")
    return parser.parse_args()


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def result(probabilities: np.ndarray, faces: dict[str, np.ndarray]) -> dict[str, Any]:
    """What a line of the results has of the predictions for all faces."""
    of_found = report(probabilities, faces["labels"], EMOTIONS)
    right, images = round(of_found["accuracy"] * of_found["n"]), int(faces["n"])
    recalls = [values["recall"] for values in of_found["per_class"].values() if values["recall"] is not None]
    return {
        "images": images,
        "found": of_found["n"],
        "accuracy": of_found["accuracy"],
        "accuracy_of_all": right / images,
        "balanced_accuracy": float(np.mean(recalls)),
        **{name: of_found[name] for name in ("macro_f1", "nll", "ece")},
    }


def configurations(model: str, seed: int) -> dict[str, TrainConfig]:
    """The configuration of each way of training."""
    tuned = with_network_of_init(dataclasses.replace(load_config("finetune"), init=model, seed=seed))
    scratch = dataclasses.replace(tuned, init="", head_lr_multiplier=1.0, layer_lr_decay=1.0, learning_rate=2e-3)
    return {"fine-tuned": tuned, "from scratch": scratch}


def cross_validated(config: TrainConfig, faces: dict[str, np.ndarray], work: Path) -> np.ndarray:
    """Probabilities of each face by a network that saw no image of its person."""
    labels, persons, images = faces["labels"], faces["persons"], faces["images"]
    probabilities = np.empty((len(labels), len(EMOTIONS)), np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=config.seed)
    names = np.array([f"{index}" for index in range(len(labels))])

    def split(rows: np.ndarray) -> Split:
        return Split(images[rows], labels[rows], names[rows])

    for number, (others, tested) in enumerate(folds.split(images, labels, persons)):
        inner = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=config.seed)
        fit, select = next(inner.split(images[others], labels[others], persons[others]))
        folder = work / f"fold{number}"
        train(config, folder, split(others[fit]), split(others[select]), SilentReporter(), load_model=load_model)
        network = logits_function(load_for_inference(folder))
        probabilities[tested] = predict_probabilities(network, images[tested])
    return probabilities


def main() -> None:
    """Crops the faces once, and writes a line for each model, way of training and seed that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for crops and runs")
    parser.add_argument("--model", default="small", help="the model to fine-tune; all are measured zero-shot")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    crops = arguments.work / "faces.npz"
    if not crops.is_file():
        np.savez(crops, **read_faces(arguments.data))
    faces = dict(np.load(crops))
    lines = arguments.results.read_text("utf-8").splitlines() if arguments.results.is_file() else []
    done = {(line["model"], line["training"], line["seed"]) for line in map(json.loads, lines)}

    def add(model: str, training: str, seed: int | None, probabilities: np.ndarray, seconds: float) -> None:
        line = {"model": model, "training": training, "seed": seed, **result(probabilities, faces)}
        with arguments.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"seconds": round(seconds, 1)}) + "\n")

    for model in MODELS:
        if (model, "zero-shot", None) not in done:
            began = time.perf_counter()
            network = logits_function(load_model(model))
            add(model, "zero-shot", None, predict_probabilities(network, faces["images"]), time.perf_counter() - began)
    for seed in SEEDS:
        for training, config in configurations(arguments.model, seed).items():
            if (arguments.model, training, seed) not in done:
                began = time.perf_counter()
                work = arguments.work / arguments.model / training.replace(" ", "-") / f"seed{seed}"
                add(arguments.model, training, seed, cross_validated(config, faces, work), time.perf_counter() - began)


if __name__ == "__main__":
    main()
