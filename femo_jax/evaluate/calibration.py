"""Whether a model is as sure as it is right: reliability by confidence, and its one-number summary."""

from typing import NamedTuple

import numpy as np

ECE_BINS = 15
"""Number of equal-width confidence bins, as in Guo et al. (2017)."""


class Reliability(NamedTuple):
    """Pictures binned by confidence, the probability of the predicted class; bin i is `(edges[i], edges[i + 1]]`.

    Attributes:
      edges: `[bins + 1] float64` from 0 to 1.
      count: `[bins] int64` pictures in the bin.
      confidence: `[bins] float64` mean confidence, 0 in an empty bin.
      accuracy: `[bins] float64` share of right predictions, 0 in an empty bin.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS) -> Reliability:
    """Bins pictures by confidence.

    Args:
      probabilities: `[n, classes]` of a softmax.
      labels: `[n]` class indices.
      bins: number of bins of equal width over 0..1.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    divisor = np.maximum(count, 1)
    return Reliability(
        edges=edges,
        count=count,
        confidence=np.bincount(bin_of, weights=confidence, minlength=bins) / divisor,
        accuracy=np.bincount(bin_of, weights=right, minlength=bins) / divisor,
    )


def expected_calibration_error(binned: Reliability) -> float:
    """Mean distance of confidence from accuracy over the bins, weighted by their pictures; 0 is perfect.

    References:
      Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599
    """
    gap = np.abs(binned.confidence - binned.accuracy)
    return float(np.sum(binned.count * gap) / np.sum(binned.count))
