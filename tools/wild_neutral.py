"""Two corrections of everyday images that a person or a place asks for: the own neutral face, and the temperature.

    python -m tools.wild_neutral wild.zip fer2013.zip results/wild_neutral.json

The zip is that of `tools/wild.py`; in each image the largest face that Haar finds counts.

Neutral face: persons with at least three neutral images. Of a tested image, the person's other neutral images give the
mean of the logarithms of the probabilities; its difference from the mean over the neutral images of all other persons,
times a strength, is taken from those of the tested image. It is what a robot could do after a person has looked at it
neutrally for a moment. Intervals are of a bootstrap over persons.

Temperature: fitted to clean faces of PublicTest, to corrupted ones, and to everyday images (there in cross-validation
over persons, three seeds); each is measured on all of them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold

from femo_jax.data.load import load_split
from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.calibration import expected_calibration_error, fit_temperature, reliability
from femo_jax.evaluate.corruptions import CORRUPTIONS, corrupt
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.model_file import logits_function
from femo_jax.prior import EVERYDAY, FER2013_PRIOR, prior_weights
from femo_jax.weights import load_model
from tools.wild import FOLDS, MODELS, SEEDS, read_faces
from tools.wild_prior import NEUTRAL

LEAST_NEUTRAL = 3
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
DRAWS = 2000


def corrected_by_neutral(logits: np.ndarray, labels: np.ndarray, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of persons with enough neutral images, and what their own neutral face takes from the logits of each.

    Args:
      logits: `[n, 7]`.
      labels: `[n]`.
      persons: `[n]`.

    Returns:
      Rows `[m]`, and offsets `[m, 7]`: the person's mean neutral logits without the row itself, less those of all
      other persons.
    """
    neutral = labels == NEUTRAL
    rows, offsets = [], []
    for person in np.unique(persons):
        own = persons == person
        if (own & neutral).sum() < LEAST_NEUTRAL:
            continue
        others = logits[neutral & ~own].mean(0)
        for row in np.flatnonzero(own):
            shown = own & neutral
            shown[row] = False
            rows.append(row)
            offsets.append(logits[shown].mean(0) - others)
    return np.array(rows), np.array(offsets)


def rates(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy and the recall of neutral."""
    right = labels == predicted
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[labels == label].mean() for label in np.unique(labels)])),
        "neutral_recall": float(right[labels == NEUTRAL].mean()),
    }


def difference_interval(before: np.ndarray, after: np.ndarray, persons: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the change in accuracy, by a bootstrap over persons.

    Args:
      before: `[n] bool`, right without the correction.
      after: `[n] bool`, right with it.
      persons: `[n]`.
    """
    change = after.astype(float) - before
    _, of = np.unique(persons, return_inverse=True)
    sums, counts = np.bincount(of, change), np.bincount(of)
    drawn = np.random.default_rng(0).integers(0, len(counts), (DRAWS, len(counts)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return float(low), float(high)


def neutral_faces(logits: np.ndarray, faces: dict[str, np.ndarray]) -> dict[str, Any]:
    """The correction at each strength, with the prior of training and that of everyday use."""
    rows, offsets = corrected_by_neutral(logits, faces["labels"], faces["persons"])
    labels, persons = faces["labels"][rows], faces["persons"][rows]
    studied: dict[str, Any] = {"persons": len(np.unique(persons)), "images": len(rows)}
    weights = np.log(prior_weights(EVERYDAY, EMOTIONS, FER2013_PRIOR))
    for prior, added in (("training", 0.0), ("everyday", weights)):
        plain = (logits[rows] + added).argmax(1)
        studied[prior] = {"none": rates(labels, plain)}
        for strength in STRENGTHS:
            predicted = (logits[rows] - strength * offsets + added).argmax(1)
            interval = difference_interval(plain == labels, predicted == labels, persons)
            studied[prior][f"{strength:g}"] = {**rates(labels, predicted), "change_interval": interval}
    return studied


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    """The expected calibration error of a softmax of logits."""
    return expected_calibration_error(reliability(softmax(logits, axis=1), labels))


def temperatures(model: str, everyday: np.ndarray, faces: dict[str, np.ndarray], fer2013: str) -> dict[str, Any]:
    """Temperatures beside that of the model file, and calibration errors with them."""
    network, split = logits_function(load_model(model)), load_split(fer2013, "validation")
    clean = np.log(predict_probabilities(network, split.images))
    corrupted = np.concatenate(
        [np.log(predict_probabilities(network, corrupt(name, split.images))) for name in CORRUPTIONS]
    )
    of_corrupted = np.tile(split.labels, len(CORRUPTIONS))
    labels, persons = faces["labels"], faces["persons"]
    cross_fitted, fitted = [], []
    for seed in SEEDS:
        tempered = np.empty_like(everyday)
        for others, tested in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(
            everyday, labels, persons
        ):
            fitted.append(fit_temperature(everyday[others], labels[others]))
            tempered[tested] = everyday[tested] / fitted[-1]
        cross_fitted.append(calibration_error(tempered, labels))
    by = {"file": 1.0, "corrupted": fit_temperature(corrupted, of_corrupted), "everyday": float(np.mean(fitted))}
    return {
        name: {
            "temperature": temperature,
            "ece_clean": calibration_error(clean / temperature, split.labels),
            "ece_corrupted": calibration_error(corrupted / temperature, of_corrupted),
            "ece_everyday": float(np.mean(cross_fitted))
            if name == "everyday"
            else calibration_error(everyday / temperature, labels),
        }
        for name, temperature in by.items()
    }


def main() -> None:
    """Studies both models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("fer2013")
    parser.add_argument("results", type=Path)
    arguments = parser.parse_args()
    faces = read_faces(arguments.data)
    rows = []
    for model in MODELS:
        logits = np.log(predict_probabilities(logits_function(load_model(model)), faces["images"]))
        weighted = logits + np.log(prior_weights(EVERYDAY, EMOTIONS, FER2013_PRIOR))
        rows.append(
            {
                "model": model,
                "neutral_face": neutral_faces(logits, faces),
                "temperature": temperatures(model, weighted, faces, arguments.fer2013),
            }
        )
    write_json(arguments.results, rows)


if __name__ == "__main__":
    main()
