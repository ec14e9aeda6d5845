"""Evaluation and calibration of one model on one split, from paths to a report."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from femo_jax.data.prepare import load_split
from femo_jax.data.splits import SPLITS
from femo_jax.errors import ConfigError
from femo_jax.evaluate.calibration import cross_fitted_ece, fit_temperature
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.evaluate.views import views_function
from femo_jax.model_file import LoadedModel, load_model_file, logits_function


def load_model(path: str | os.PathLike[str]) -> LoadedModel:
    """A model of a file of `femo export`, or the best checkpoint of a workdir.

    Raises:
      ModelFileError: the file is missing, damaged or of another femo.
      CheckpointError: the workdir holds no usable checkpoint.
    """
    if not Path(path).is_dir():
        return load_model_file(path)
    from femo_jax.train.checkpoints import load_for_inference  # a model file needs no orbax

    return load_for_inference(Path(path))


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
) -> dict[str, Any]:
    """Evaluates a model on a split; each picture counts exactly once.

    Args:
      model: a workdir, whose best checkpoint is taken, or a model file.
      data: FER-2013 in any form that `femo_jax.data.prepare.load_split` takes.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).
      views: a name of `femo_jax.evaluate.views.views_function`.
      batch_size: pictures computed at a time.
      figure: where to draw confusion and reliability, or None.

    Returns:
      `femo_jax.evaluate.metrics.report` with the keys `architecture`, `split` and `views` added.

    Raises:
      FemoError: the model, the data, the split, the views or the figure's format are not what they should be.
    """
    # Wrong words are told before minutes of work, not after.
    views_function(views)
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    if figure is not None:
        from femo_jax import plots  # matplotlib only where a figure is drawn

        plots.check_format(figure)
    loaded = load_model(model)
    pictures = load_split(data, split)
    probabilities = predict_probabilities(logits_function(loaded), pictures.images, batch_size, views)
    if figure is not None:
        title = f"{loaded.architecture} on {split}, views: {views}"
        plots.plot_evaluation(probabilities, pictures.labels, figure, title)
    return {
        **report(probabilities, pictures.labels),
        "architecture": loaded.architecture,
        "split": split,
        "views": views,
    }


def calibrate(loaded: LoadedModel, data: str | os.PathLike[str], split: str = "validation") -> LoadedModel:
    """The model with the temperature that makes it as sure as it is right on a split.

    Args:
      loaded: a model; its own temperature does not matter.
      data: FER-2013 in any form that `femo_jax.data.prepare.load_split` takes.
      split: not the one it was trained on, where it is surer than elsewhere; `validation` is PublicTest.

    Returns:
      The model with `temperature`, and two entries more in `training`, as JSON has them: `evaluation` (`split`, `n`,
      `accuracy`, `accuracy_interval`, `macro_f1`, `recall` by label) and `calibration` (`split`, `n`, `nll` and `ece`
      with `before` and `after`, and the `cross_fitted_ece` with its `folds` and `seed`).

    Raises:
      FemoError: the data are not what they should be, or the network gives NaN.
    """
    pictures = load_split(data, split)
    uncalibrated = dataclasses.replace(loaded, temperature=1.0)
    probabilities = predict_probabilities(logits_function(uncalibrated), pictures.images)
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    temperature = fit_temperature(logits, pictures.labels)
    before = report(probabilities, pictures.labels)
    after = report(softmax(logits / temperature, axis=1), pictures.labels)
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
        **CROSS_FITTING,
    }
    training = {**loaded.training, "evaluation": evaluation, "calibration": calibration}
    return dataclasses.replace(loaded, temperature=temperature, training=training)
