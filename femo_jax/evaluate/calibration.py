"""Calibration: reliability by confidence, expected calibration error, and temperature scaling."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

ECE_BINS = 15
"""Number of equal-width confidence bins, as in Guo et al. (2017)."""

TEMPERATURES = (0.05, 20.0)
"""The range in which a temperature is sought; the best one of a model without errors, or without sense, is outside."""


class Reliability(NamedTuple):
    """Images binned by confidence, the probability of the predicted class; bin i is `(edges[i], edges[i + 1]]`.

    Attributes:
      edges: `[bins + 1] float64` from 0 to 1.
      count: `[bins] int64` images in the bin.
      confidence: `[bins] float64` mean confidence, 0 in an empty bin.
      accuracy: `[bins] float64` share of right predictions, 0 in an empty bin.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS) -> Reliability:
    """Bins images by confidence.

    Args:
      probabilities: `[n, classes]` of a softmax.
      labels: `[n]` class indices.
      bins: number of bins of equal width over 0..1.
    """
    right = probabilities.argmax(axis=1) == labels
    confidence, bin_of, edges = _binned_confidence(probabilities, bins)
    count = np.bincount(bin_of, minlength=bins)
    divisor = np.maximum(count, 1)
    return Reliability(
        edges=edges,
        count=count,
        confidence=np.bincount(bin_of, weights=confidence, minlength=bins) / divisor,
        accuracy=np.bincount(bin_of, weights=right, minlength=bins) / divisor,
    )


def _binned_confidence(probabilities: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The confidence of each image `[n] float64`, the bin `[n]` that it falls in, and the edges of all bins."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    edges = np.linspace(0.0, 1.0, bins + 1)
    return confidence, np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1), edges


def expected_calibration_error(binned: Reliability) -> float:
    """Mean distance of confidence from accuracy over the bins, weighted by their images; 0 is perfect.

    References:
      Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599
    """
    gap = np.abs(binned.confidence - binned.accuracy)
    return float(np.sum(binned.count * gap) / np.sum(binned.count))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The number that logits are to be divided by so that the softmax is as sure as it is right.

    It minimises the negative log-likelihood, which has one minimum, over `TEMPERATURES`. Predictions stay the same.

    Args:
      logits: `[n, classes]`; logarithms of probabilities are logits, too.
      labels: `[n]` class indices.

    Raises:
      ValueError: no images, or shapes that do not fit.

    References:
      Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(
            f"expected logits [n, classes] and labels [n] of n > 0 images, got {list(logits.shape)} and"
            f" {list(labels.shape)}"
        )
    logits = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return -log_softmax(logits / math.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean()

    low, high = (math.log(temperature) for temperature in TEMPERATURES)
    return math.exp(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)


def cross_fitted_ece(logits: np.ndarray, labels: np.ndarray, folds: int = 5, seed: int = 0) -> float:
    """The expected calibration error where no image is judged by a temperature that it helped to fit.

    The images are divided into folds at random; each fold gets the temperature of all the others, and the error is
    that of all images together.

    Args:
      logits: `[n, classes]`.
      labels: `[n]` class indices.
      folds: how many, at least 2.
      seed: of the division.

    Raises:
      ValueError: shapes that do not fit, fewer than two folds, or fewer images than folds.
    """
    if not 2 <= folds <= len(labels):
        raise ValueError(f"expected at least 2 folds and as many images, got {folds} folds, {len(labels)} images")
    probabilities = np.empty(logits.shape, np.float64)
    fold_of = np.random.default_rng(seed).permutation(len(labels)) % folds
    for fold in range(folds):
        held_out = fold_of == fold
        temperature = fit_temperature(logits[~held_out], labels[~held_out])
        probabilities[held_out] = softmax(logits[held_out] / temperature, axis=1)
    return expected_calibration_error(reliability(probabilities, labels))


class ChanceError(NamedTuple):
    """The calibration error of a model without any, over draws of the labels: its mean, and a 90 % interval."""

    mean: float
    low: float
    high: float


def ece_by_chance(probabilities: np.ndarray, draws: int = 1000, seed: int = 0) -> ChanceError:
    """The expected calibration error that is left where every probability is right, for want of images.

    In a bin of a few hundred images accuracy differs from confidence by chance alone, and the error counts every
    difference, whatever its sign. Below this no model of such confidences comes but by luck.

    Args:
      probabilities: `[n, classes]` of a softmax; they are taken for right.
      draws: how often whether the images are right is drawn from them.
      seed: of the draws.
    """
    confidence, bin_of, _ = _binned_confidence(probabilities, ECE_BINS)
    rng = np.random.default_rng(seed)
    errors = np.empty(draws)
    for draw in range(draws):
        right = rng.random(len(confidence)) < confidence
        difference = np.bincount(bin_of, weights=right - confidence)
        errors[draw] = np.abs(difference).sum() / len(confidence)
    low, high = np.quantile(errors, (0.05, 0.95))
    return ChanceError(float(errors.mean()), float(low), float(high))
