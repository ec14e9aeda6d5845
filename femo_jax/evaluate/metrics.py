"""The numbers of a report, from probabilities and labels in plain numpy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from femo_jax.evaluate.calibration import expected_calibration_error, reliability

Z_95 = 1.959963984540054
"""Quantile of the standard normal distribution that leaves 2.5 % above it."""


def confusion_matrix(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Counts of images, `[classes, classes] int64`: row = true class, column = predicted class."""
    flat = labels.astype(np.int64) * classes + predicted
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def wilson_interval(right: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The interval of a share `right / n`, by default at 95 %.

    Unlike the textbook `p ± z sqrt(p (1 - p) / n)` it stays within 0..1 and holds for few images.

    References:
      Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    share = right / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -ln p(true class), in nats; a probability that rounded to 0 counts as float32's smallest normal."""
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean())


def accuracy_of(correct: np.ndarray) -> dict[str, Any]:
    """`n`, `accuracy` and its 95 % interval (Wilson) of predictions that were right or wrong, `[n > 0] bool`."""
    n, right = len(correct), int(correct.sum())
    return {"n": n, "accuracy": right / n, "accuracy_interval": list(wilson_interval(right, n))}


def report(
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    without_overlap: np.ndarray | None = None,
) -> dict[str, Any]:
    """The metrics of predictions, ready for JSON.

    Args:
      probabilities: `[n, c] float`, each row a softmax.
      labels: `[n] int`, class indices.
      class_names: of the c classes.
      without_overlap: `[n] bool`, false for images that the network was trained on as well.

    Returns:
      A dict with `n`; `accuracy`, `accuracy_interval` (95 %, Wilson), `macro_f1`, `ece` in 0..1; `nll` in nats;
      `per_class` with `precision`, `recall`, `f1` in 0..1 and `n` by label; `confusion`, a list of rows, one a
      true class. Recall and F1 of a class without images are None, as is its precision where it is never predicted;
      `macro_f1` is the mean over the classes that have images. `without_overlap` has `n`, `accuracy` and
      `accuracy_interval` of those images, if there are any.

    Raises:
      ValueError: no images, shapes that do not fit, labels outside 0..c - 1 or probabilities that are not finite.
    """
    probabilities, labels, num_classes = np.asarray(probabilities), np.asarray(labels), len(class_names)
    if probabilities.shape != (len(labels), num_classes) or len(labels) == 0:
        raise ValueError(
            f"expected probabilities [n, {num_classes}] and labels [n] of n > 0 images,"
            f" got {list(probabilities.shape)} and {list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels must be 0 to {num_classes - 1}, got {labels.min()} to {labels.max()}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite")

    overlap_known = without_overlap is not None and without_overlap.any()
    classes = probabilities.argmax(axis=1)
    correct, confusion = classes == labels, confusion_matrix(classes, labels, num_classes)
    hits, present, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(present, 1)
    f1 = 2 * hits / np.maximum(present + predicted, 1)
    return {
        **accuracy_of(correct),
        "macro_f1": float(f1[present > 0].mean()),
        "nll": negative_log_likelihood(probabilities, labels),
        "ece": expected_calibration_error(reliability(probabilities, labels)),
        "per_class": {
            label: {
                "precision": float(precision[i]) if present[i] or predicted[i] else None,
                "recall": float(recall[i]) if present[i] else None,
                "f1": float(f1[i]) if present[i] else None,
                "n": int(present[i]),
            }
            for i, label in enumerate(class_names)
        },
        "confusion": confusion.tolist(),
        **({"without_overlap": accuracy_of(correct[without_overlap])} if overlap_known else {}),
    }
