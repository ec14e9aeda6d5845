"""Evaluation and calibration of one model on one split, from paths to a report."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from femo_jax.data.prepare import available_splits, load_split
from femo_jax.data.splits import SPLITS, occurs_in
from femo_jax.errors import ConfigError
from femo_jax.evaluate.calibration import cross_fitted_ece, ece_by_chance, fit_temperature
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.mistakes import COUNT, check_count, select_mistakes, sheet_title
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.evaluate.robustness import robustness
from femo_jax.evaluate.views import views_function
from femo_jax.files import check_writable
from femo_jax.model_file import LoadedModel, logits_function
from femo_jax.weights import load_model

CROSS_FITTING = {"folds": 5, "seed": 0}
"""How the pictures are divided for the cross-fitted calibration error, see `cross_fitted_ece`."""


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    split: str = "validation",
    views: str = "one",
    *,
    batch_size: int = 256,
    figure: str | os.PathLike[str] | None = None,
    corruptions: bool = False,
    mistakes: str | os.PathLike[str] | None = None,
    mistakes_count: int = COUNT,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Evaluates a model on a split; each picture counts exactly once.

    Args:
      model: a workdir, whose best checkpoint is taken, a model file, or the name of a model that ships with femo.
      data: FER-2013 in any form that `femo_jax.data.prepare.load_split` takes.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).
      views: a name of `femo_jax.evaluate.views.views_function`.
      batch_size: pictures computed at a time.
      figure: where to draw confusion and reliability, or None. What the corruptions do to the accuracy is drawn in a
        file beside it, see `corruptions_figure`.
      corruptions: also evaluate the split's pictures as a camera may show them, which takes as long as two dozen
        evaluations.
      mistakes: where to draw the wrong predictions with the highest confidence, or None.
      mistakes_count: how many of them.
      tell: is told what is computed, word by word.

    Returns:
      `femo_jax.evaluate.metrics.report` with the keys `architecture`, `split` and `views` added, and
      `robustness`, see `femo_jax.evaluate.robustness.robustness`, where `corruptions` are asked for. `unseen` are the
      pictures that are not in the training split of these data as well, where they have one.

    Raises:
      FemoError: the model, the data, the split, the views or a figure's format are not what they should be, or a figure
        cannot be written.
    """
    # Wrong words are told before minutes of work, not after.
    views_function(views)
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    _check_figures(figure, mistakes, mistakes_count)
    loaded = load_model(model)
    network = logits_function(loaded)

    def predict(images: np.ndarray) -> np.ndarray:
        return predict_probabilities(network, images, batch_size, views)

    tell(f"reading {split}")
    pictures = load_split(data, split)
    unseen = None
    if split != "train" and "train" in available_splits(data):
        unseen = ~occurs_in(pictures.images, load_split(data, "train").images)
    tell("clean pictures")
    probabilities = predict(pictures.images)
    result = {
        **report(probabilities, pictures.labels, unseen),
        "architecture": loaded.architecture,
        "split": split,
        "views": views,
    }
    title = f"{loaded.architecture} on {split}, views: {views}"
    if figure is not None:
        from femo_jax.plots import plot_evaluation  # matplotlib only where a figure is drawn

        plot_evaluation(probabilities, pictures.labels, figure, title)
    if mistakes is not None:
        from femo_jax.evaluate.mistakes_figure import plot_mistakes

        surest = select_mistakes(probabilities, pictures.labels, pictures.votes, mistakes_count)
        wrong = result["n"] - int(np.trace(result["confusion"]))
        plot_mistakes(surest, pictures, mistakes, f"{title}: {sheet_title(surest, wrong)}")
    if corruptions:
        result["robustness"] = robustness(predict, pictures.images, pictures.labels, probabilities, tell=tell)
        if figure is not None:
            from femo_jax.evaluate.robustness_figure import plot_robustness

            plot_robustness(result["robustness"], corruptions_figure(figure), title)
    return result


def corruptions_figure(figure: str | os.PathLike[str]) -> Path:
    """The file beside `figure` in which the corruptions are drawn: `report.png` -> `report-corruptions.png`."""
    path = Path(figure)
    return path.with_name(f"{path.stem}-corruptions{path.suffix}")


def _check_figures(
    figure: str | os.PathLike[str] | None, mistakes: str | os.PathLike[str] | None, mistakes_count: int
) -> None:
    """Makes sure that the figures can be drawn and do not replace each other."""
    if figure is None and mistakes is None:
        return
    from femo_jax.plots import check_format

    for path in (figure, mistakes):
        if path is not None:
            check_format(path)
            check_writable(path)
    check_count(mistakes_count)
    if figure is not None and mistakes is not None and Path(mistakes) in (Path(figure), corruptions_figure(figure)):
        raise ConfigError(f"{mistakes}: is drawn twice; give the mistakes another file than the figure.")


def calibrate(loaded: LoadedModel, data: str | os.PathLike[str], split: str = "validation") -> LoadedModel:
    """The model with the temperature that makes it as sure as it is right on a split.

    Args:
      loaded: a model; its own temperature does not matter.
      data: FER-2013 in any form that `femo_jax.data.prepare.load_split` takes.
      split: not the one it was trained on, where it is surer than elsewhere; `validation` is PublicTest.

    Returns:
      The model with `temperature`, and two entries more in `training`, as JSON has them: `evaluation` (`split`, `n`,
      `accuracy`, `accuracy_interval`, `macro_f1`, `recall` by label) and `calibration` (`split`, `n`, `nll` and `ece`
      with `before` and `after`, the `cross_fitted_ece` with its `folds` and `seed`, and `ece_by_chance`, see
      `femo_jax.evaluate.calibration`).

    Raises:
      FemoError: the data are not what they should be, or the network gives NaN.
    """
    pictures = load_split(data, split)
    uncalibrated = dataclasses.replace(loaded, temperature=1.0)
    probabilities = predict_probabilities(logits_function(uncalibrated), pictures.images)
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    temperature = fit_temperature(logits, pictures.labels)
    before = report(probabilities, pictures.labels)
    calibrated = softmax(logits / temperature, axis=1)
    after = report(calibrated, pictures.labels)
    evaluation = {
        "split": split,
        **{key: before[key] for key in ("n", "accuracy", "accuracy_interval", "macro_f1")},
        "recall": {label: values["recall"] for label, values in before["per_class"].items()},
    }
    calibration = {
        "split": split,
        "n": before["n"],
        **{key: {"before": before[key], "after": after[key]} for key in ("nll", "ece")},
        "cross_fitted_ece": cross_fitted_ece(logits, pictures.labels, **CROSS_FITTING),
        "ece_by_chance": ece_by_chance(calibrated)._asdict(),
        **CROSS_FITTING,
    }
    training = {**loaded.training, "evaluation": evaluation, "calibration": calibration}
    return dataclasses.replace(loaded, temperature=temperature, training=training)
