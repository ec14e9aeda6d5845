"""Accuracy of a model on corrupted images."""

from collections.abc import Callable
from typing import Any

import numpy as np

from femo_jax.data.splits import Split
from femo_jax.evaluate.corruptions import CORRUPTIONS, SEED, corrupt
from femo_jax.evaluate.metrics import report


def robustness(
    predict: Callable[[np.ndarray], np.ndarray],
    split: Split,
    clean: np.ndarray,
    *,
    seed: int = SEED,
    on_progress: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Evaluates a model on the images of a split under each of `CORRUPTIONS`.

    Args:
      predict: images `[n, 48, 48, 1] uint8` -> probabilities `[n, c]`.
      split: the clean images, with their labels.
      clean: `[n, c]`, the probabilities of the clean images.
      seed: of the corruptions' randomness.
      on_progress: called with the name of each corruption when it begins.

    Returns:
      A dict, ready for JSON, with `seed`; `clean` and, by name in `corrupted`, each corruption: `accuracy`,
      `macro_f1`, `confidence` (the mean one) and `ece` in 0..1, and `difference`, the accuracy less the clean one;
      `mean_accuracy` over all corruptions and its `mean_difference`.

    References:
      Hendrycks and Dietterich, 2019, https://arxiv.org/abs/1903.12261
    """
    corrupted = {}
    of_clean = _metrics(clean, split)
    for name in CORRUPTIONS:
        on_progress(name)
        metrics = _metrics(predict(corrupt(name, split.images, seed)), split)
        corrupted[name] = metrics | {"difference": metrics["accuracy"] - of_clean["accuracy"]}
    mean = float(np.mean([metrics["accuracy"] for metrics in corrupted.values()]))
    return {
        "seed": seed,
        "clean": of_clean,
        "corrupted": corrupted,
        "mean_accuracy": mean,
        "mean_difference": mean - of_clean["accuracy"],
    }


def _metrics(probabilities: np.ndarray, split: Split) -> dict[str, float]:
    whole = report(probabilities, split.labels, split.class_names)
    confidence = float(probabilities.max(axis=1).mean())
    return {"accuracy": whole["accuracy"], "macro_f1": whole["macro_f1"], "confidence": confidence, "ece": whole["ece"]}
