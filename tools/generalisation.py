"""Which augmentation helps on faces that are not those of FER-2013: `femonet-small`, trained on for six epochs.

    python -m tools.generalisation fer2013.zip wild.zip results/generalisation.json --work runs/generalisation

Each candidate continues from the shipped model with the soft labels of its recipe and another augmentation, a linear
schedule and a low learning rate. The epoch that is best on PublicTest is measured: there, also without the images
that are in Training as well, under the corruptions of `femo evaluate --corruptions`, and on the whole images of
`tools/wild.py`, in each of which the largest face that the Haar cascade finds counts. A run that was stopped continues
where it was.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.data.load import load_split
from femo_jax.data.splits import occurs_in
from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.corruptions import CORRUPTIONS, corrupt
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.model_file import logits_function
from femo_jax.prior import EVERYDAY, FER2013_PRIOR, corrected, prior_weights
from femo_jax.runs import with_network_of_init
from femo_jax.train.config import Augmentation, TrainConfig, load_config
from femo_jax.train.loop import train
from femo_jax.train.progress import SilentReporter
from femo_jax.weights import load_model
from tools.wild import read_faces, result

MODEL = "small"

_CROPS = {"rotation": 15.0, "scale": 0.3, "translation": 7.0}
_LIGHT = {"brightness": 0.25, "contrast": 0.5}
_SHARPNESS = {"blur": 2.5, "noise": 0.08}
CANDIDATES: dict[str, dict[str, float]] = {
    "as in the recipe": {},
    "wider crops": _CROPS,
    "stronger light": _LIGHT,
    "more blur and noise": _SHARPNESS,
    "all three": {**_CROPS, **_LIGHT, **_SHARPNESS},
    "less than the recipe": {"scale": 0.1, "translation": 3.0, "blur": 0.0, "noise": 0.0, "erasing": 0.0},
}
"""Fields of the augmentation that differ from the recipe's."""


def configuration(candidate: str) -> TrainConfig:
    """What a candidate trains."""
    recipe = load_config(f"femonet-{MODEL}")
    augmentation: Augmentation = dataclasses.replace(recipe.augmentation, **CANDIDATES[candidate])
    config = dataclasses.replace(
        recipe,
        init=MODEL,
        whitening_init=False,
        epochs=6,
        learning_rate=0.004,
        schedule="linear",
        warmup_epochs=0.5,
        augmentation=augmentation,
    )
    return with_network_of_init(config)


def main() -> None:
    """Trains the candidates one after the other, and measures all of them and the shipped model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fer2013", type=Path)
    parser.add_argument("wild", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    arguments = parser.parse_args()
    training, validation = (load_split(arguments.fer2013, split) for split in ("train", "validation"))
    folders = {name: arguments.work / name.replace(" ", "-") for name in CANDIDATES}
    for name, folder in folders.items():
        train(configuration(name), folder, training, validation, SilentReporter(), load_model=load_model)
    networks = {"shipped": logits_function(load_model(MODEL))}
    networks |= {name: logits_function(load_model(folder)) for name, folder in folders.items()}

    def accuracies(images: np.ndarray) -> dict[str, np.ndarray]:
        """Whether each image is classified as labelled, by network."""
        return {
            name: predict_probabilities(network, images).argmax(1) == validation.labels
            for name, network in networks.items()
        }

    alone = ~occurs_in(validation.images, training.images)
    clean = accuracies(validation.images)
    corrupted = [accuracies(corrupt(name, validation.images)) for name in CORRUPTIONS]
    faces = read_faces(arguments.wild)
    prior = prior_weights(EVERYDAY, EMOTIONS, FER2013_PRIOR)
    rows: list[dict[str, Any]] = []
    for name, network in networks.items():
        probabilities = predict_probabilities(network, faces["images"])
        rows.append(
            {
                "candidate": name,
                "accuracy": float(clean[name].mean()),
                "without_overlap": float(clean[name][alone].mean()),
                "corrupted": float(np.mean([right[name].mean() for right in corrupted])),
                "everyday_images": result(corrected(probabilities, prior), faces),
            }
        )
    write_json(arguments.results, rows)


if __name__ == "__main__":
    main()
