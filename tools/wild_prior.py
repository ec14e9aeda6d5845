"""The class prior of everyday images: what it changes, and which one live use takes.

    python -m tools.wild_prior wild.zip results/wild_prior.json --yunet yunet.onnx

The zip is that of `tools/wild.py`; in each image the largest face counts. The probability of neutral is multiplied by a
factor and all are normalised again, which is Bayes' rule for a place where neutral faces are that much more frequent
than in training, and the others as frequent among themselves. In cross-validation the factor is chosen on the persons
of four folds, by the sum of accuracy and balanced accuracy, and measured on those of the fifth, for three seeds of the
folds. `class frequencies` takes the frequencies of the four folds as the prior instead.

Risk is the share of wrong labels among the faces of at least a confidence, coverage the share of those faces.
"""

from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from femo_jax.emotions import EMOTIONS
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.files import write_json
from femo_jax.live.config import DetectorConfig
from femo_jax.model_file import logits_function
from femo_jax.prior import EVERYDAY, FER2013_PRIOR, corrected, prior_weights
from femo_jax.weights import load_model
from tools.wild import FOLDS, MODELS, SEEDS, read_arguments, read_faces, result

FACTORS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8)
COVERAGES = 50  # points of a curve
NEUTRAL = EMOTIONS.index("neutral")

Faces = dict[str, np.ndarray]


def with_factor(probabilities: np.ndarray, factor: float) -> np.ndarray:
    """Probabilities `[n, 7]` with neutral made more frequent."""
    weights = np.ones(len(EMOTIONS))
    weights[NEUTRAL] = factor
    return corrected(probabilities, weights)


def with_frequencies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probabilities `[n, 7]` for a place with the class frequencies of labels."""
    counts = np.bincount(labels, minlength=len(EMOTIONS)) + 1.0
    return corrected(probabilities, counts / counts.sum() / FER2013_PRIOR)


def measured(probabilities: np.ndarray, faces: Faces) -> dict[str, float]:
    """The metrics of `tools/wild.py`, and the recall of neutral."""
    neutral = faces["labels"] == NEUTRAL
    return {
        **result(probabilities, faces),
        "neutral_recall": float((probabilities.argmax(1)[neutral] == NEUTRAL).mean()),
    }


def score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy plus balanced accuracy."""
    right = probabilities.argmax(1) == labels
    return float(right.mean() + np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def cross_validated(probabilities: np.ndarray, faces: Faces, seed: int) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Probabilities with the factor, and with the frequencies, of other persons; and the factor of each fold."""
    labels, persons = faces["labels"], faces["persons"]
    by_factor, by_frequency = np.empty_like(probabilities), np.empty_like(probabilities)
    chosen = []
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for others, tested in folds.split(probabilities, labels, persons):
        scores = [score(with_factor(probabilities[others], factor), labels[others]) for factor in FACTORS]
        chosen.append(FACTORS[int(np.argmax(scores))])
        by_factor[tested] = with_factor(probabilities[tested], chosen[-1])
        by_frequency[tested] = with_frequencies(probabilities[tested], labels[others])
    return by_factor, by_frequency, chosen


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Risk at each coverage, and both at each threshold of confidence."""
    confidence, wrong = probabilities.max(1), probabilities.argmax(1) != labels
    order = np.argsort(-confidence, kind="stable")
    risks = np.cumsum(wrong[order]) / np.arange(1, len(wrong) + 1)
    places = np.linspace(0, len(wrong) - 1, COVERAGES + 1).round().astype(int)[1:]
    thresholds = []
    for threshold in THRESHOLDS:
        kept = confidence >= threshold
        thresholds.append({"threshold": threshold, "coverage": kept.mean(), "risk": wrong[kept].mean()})
    return {
        "coverage": [round(float(place + 1) / len(wrong), 4) for place in places],
        "risk": [round(float(risks[place]), 4) for place in places],
        "area": float(risks.mean()),
        "thresholds": [{name: round(float(value), 4) for name, value in each.items()} for each in thresholds],
    }


def studied(model: str, faces: Faces) -> dict[str, Any]:
    """Everything about a model with the faces of a detector."""
    plain = predict_probabilities(logits_function(load_model(model)), faces["images"])
    everyday = corrected(plain, prior_weights(EVERYDAY, EMOTIONS, FER2013_PRIOR))
    by_factor, by_frequency, chosen = [], [], []
    for seed in SEEDS:
        first, second, factors = cross_validated(plain, faces, seed)
        by_factor.append(measured(first, faces))
        by_frequency.append(measured(second, faces))
        chosen.append(factors)
    return {
        "model": model,
        "factors": {f"{factor:g}": measured(with_factor(plain, factor), faces) for factor in FACTORS},
        "everyday": measured(everyday, faces),
        "cross_validated": {"chosen": chosen, "factor": mean(by_factor), "class frequencies": mean(by_frequency)},
        "risk_coverage": {
            "training": risk_coverage(plain, faces["labels"]),
            "everyday": risk_coverage(everyday, faces["labels"]),
        },
    }


def main() -> None:
    """Measures both models with both detectors."""
    arguments = read_arguments(__doc__)
    detectors = {"haar": DetectorConfig(), "yunet": DetectorConfig(kind="yunet", model=arguments.yunet)}
    rows = []
    for name, config in detectors.items():
        faces = read_faces(arguments.data, config)
        rows += [{"detector": name, **studied(model, faces)} for model in MODELS]
    write_json(arguments.results, rows)


if __name__ == "__main__":
    main()
