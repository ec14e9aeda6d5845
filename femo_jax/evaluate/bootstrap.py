"""Bootstrap intervals of metrics: images are drawn with replacement, and all draws are computed at once."""

import numpy as np

from femo_jax.evaluate.calibration import ECE_BINS

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")
_CHUNK = 4_000_000  # drawn indices at a time, 32 MB


def bootstrap(
    probabilities: np.ndarray, labels: np.ndarray, *, draws: int = 1000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """The metrics of predictions with percentile intervals.

    Args:
      probabilities: `[n, c] float`, each row a softmax.
      labels: `[n] int`, class indices.
      draws: number of bootstrap samples.
      seed: of the draws.

    Returns:
      By name of `METRICS`: `value`, and `low` and `high`, the ends of the 95 % interval. `balanced_accuracy` and
      `macro_f1` are means over the classes that have images, in each sample those that were drawn.

    References:
      Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    n = len(labels)
    values = _metrics(probabilities, labels, np.arange(n)[None])
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n)
    samples: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for start in range(0, draws, rows):
        drawn = rng.integers(0, n, (min(rows, draws - start), n))
        for name, of in _metrics(probabilities, labels, drawn).items():
            samples[name].append(of)
    intervals = {name: np.quantile(np.concatenate(of), (0.025, 0.975)) for name, of in samples.items()}
    return {
        name: {"value": float(values[name][0]), "low": float(low), "high": float(high)}
        for name, (low, high) in intervals.items()
    }


def _metrics(probabilities: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Each metric of each sample, `[samples] float64`; `drawn [samples, n]` are indices of images."""
    (samples, n), classes = drawn.shape, probabilities.shape[1]
    probabilities = np.asarray(probabilities, np.float64)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == labels
    losses = -np.log(np.maximum(probabilities[np.arange(n), labels], np.finfo(np.float32).tiny))

    cells = (labels.astype(np.int64) * classes + predicted)[drawn] + np.arange(samples)[:, None] * classes**2
    confusion = np.bincount(cells.ravel(), minlength=samples * classes**2).reshape(samples, classes, classes)
    hits, present, answered = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)
    has_images = present > 0
    recall = hits / np.maximum(present, 1)
    f1 = 2 * hits / np.maximum(present + answered, 1)

    edges = np.linspace(0.0, 1.0, ECE_BINS + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, ECE_BINS - 1)
    slots = bins[drawn] + np.arange(samples)[:, None] * ECE_BINS
    gaps = np.bincount(slots.ravel(), weights=(right - confidence)[drawn].ravel(), minlength=samples * ECE_BINS)
    return {
        "accuracy": hits.sum(axis=1) / n,
        "balanced_accuracy": (recall * has_images).sum(axis=1) / has_images.sum(axis=1),
        "macro_f1": (f1 * has_images).sum(axis=1) / has_images.sum(axis=1),
        "nll": losses[drawn].mean(axis=1),
        "ece": np.abs(gaps.reshape(samples, ECE_BINS)).sum(axis=1) / n,
    }
