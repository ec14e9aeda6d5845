"""Measure which face crops are uncertain for lack of contrast: `TrackConfig.min_contrast`.

    python -m tools.low_contrast --fer2013 fer2013.zip [--images FOLDER] [--json results/low_contrast.json]

FER-2013 without Training is classified as it is, darkened (grey levels multiplied, with sensor noise of 1.5
levels) and overexposed (distance from white multiplied). For each condition, and for the largest face of each image of
a folder with one folder a class, it prints the accuracy and, for a range of limits, the share of the correct and of the
incorrect answers whose crop has less contrast. Two minutes on two cores.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from femo_jax import EMOTIONS, EmotionRecognizer
from femo_jax.data.forms import iterate_faces
from femo_jax.errors import FemoError
from femo_jax.files import write_json
from femo_jax.live.image import InputImage, crop_contrast, crop_faces
from femo_jax.live.sources.images import find_images, read_image

LIMITS = (4.0, 6.0, 8.0, 10.0, 12.0)
"""Standard deviations of grey levels, 0 to 255."""

DARKENED = (0.3, 0.15, 0.1, 0.05)
OVEREXPOSED = (0.3, 0.1, 0.05)
NOISE = 1.5
"""Standard deviation of the noise of a dark image, in grey levels."""


def changed(faces: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Name and crops `[n, h, w] uint8` of each condition."""
    yield "as they are", faces
    noise = np.random.default_rng(0).normal(0, NOISE, faces.shape).astype(np.float32)
    for factor in DARKENED:
        yield f"darkened x{factor:g}", np.clip(faces * np.float32(factor) + noise, 0, 255).astype(np.uint8)
    for factor in OVEREXPOSED:
        yield f"overexposed x{factor:g}", np.clip(255 - (255.0 - faces) * factor, 0, 255).astype(np.uint8)


def largest_faces(folder: Path, recognizer: EmotionRecognizer) -> tuple[np.ndarray, np.ndarray]:
    """Crops `[n, h, w] uint8` of the largest face of each image, and classes `[n] int`, which the folders name."""
    crops, classes = [], []
    size = recognizer.model.image_size
    for path in find_images(str(folder / "**" / "*.*")):
        image = InputImage(read_image(path))
        boxes = recognizer.detector.detect(image)
        if boxes and path.parent.name in EMOTIONS:
            largest = max(boxes, key=lambda box: box.size)
            crops.append(crop_faces(image.grey, [largest], recognizer.detector.geometry, size)[0])
            classes.append(EMOTIONS.index(path.parent.name))
    if not crops:
        raise FemoError(f"{folder}: no face in an image of a folder named as a class ({', '.join(EMOTIONS)}).")
    return np.stack(crops), np.array(classes)


def shares(crops: np.ndarray, correct: np.ndarray) -> dict:
    """Number of images, accuracy, and the shares of correct and incorrect answers below each limit."""
    contrast = crop_contrast(crops)
    flagged = {
        f"{limit:g}": {
            "correct": float((contrast[correct] < limit).mean()),
            "incorrect": float((contrast[~correct] < limit).mean()),
        }
        for limit in LIMITS
    }
    return {"images": len(crops), "accuracy": float(correct.mean()), "flagged": flagged}


@dataclass(frozen=True)
class Options:
    """Measures which crops are uncertain for lack of contrast."""

    fer2013: Path
    """FER-2013 in any form."""
    images: Path | None = None
    """A folder of images with one folder a class."""
    model: str | None = None
    """A model that ships with femo, by its name, or a model file."""
    json: Path | None = None
    """Write what was measured to this file."""


def main(options: Options) -> None:
    """Measures and prints."""
    recognizer = EmotionRecognizer.load(options.model, batch_sizes=(64,))
    faces = [face for face in iterate_faces(options.fer2013) if face.split != "train"]
    classes = np.array([int(face.emotion) for face in faces])
    conditions = [(name, crops, classes) for name, crops in changed(np.stack([face.image for face in faces]))]
    if options.images is not None:
        conditions.append(("images from the web", *largest_faces(options.images, recognizer)))
    measured = {
        name: shares(crops, recognizer.classify(crops).argmax(axis=1) == labels) for name, crops, labels in conditions
    }
    table = Table("images", "number", "accuracy", *(f"below {limit:g}" for limit in LIMITS))
    for name, of in measured.items():
        cells = [f"{of['flagged'][f'{limit:g}'][which]:.1%}" for limit in LIMITS for which in ("correct", "incorrect")]
        pairs = [f"{right} / {wrong}" for right, wrong in zip(cells[::2], cells[1::2], strict=True)]
        table.add_row(name, str(of["images"]), f"{of['accuracy']:.1%}", *pairs)
    Console(width=120).print(table)
    if options.json is not None:
        write_json(options.json, {"model": recognizer.model.architecture, "conditions": measured})


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
