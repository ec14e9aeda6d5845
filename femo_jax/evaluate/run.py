"""Evaluation and calibration of one model on one split, from paths to a report."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

from femo_jax.data.load import available_splits, load_split
from femo_jax.data.splits import SPLITS, Split, occurs_in
from femo_jax.errors import ConfigError
from femo_jax.evaluate.calibration import cross_fitted_ece, ece_by_chance, fit_temperature
from femo_jax.evaluate.classes import match_classes, restricted
from femo_jax.evaluate.metrics import report
from femo_jax.evaluate.predict import predict_probabilities
from femo_jax.evaluate.robustness import robustness
from femo_jax.evaluate.tta import tta_function
from femo_jax.model_file import LoadedModel, logits_function
from femo_jax.prior import Prior, corrected, prior_weights, training_prior
from femo_jax.weights import load_model

TTA_TITLES = {"none": "no TTA", "flip": "flip TTA", "ten_crop": "ten-crop TTA"}


def report_title(report: Mapping[str, Any]) -> str:
    """Architecture, split, number of images and TTA of a report, as results are stated."""
    return f"{report['architecture']} on {report['split']} ({report['n']:,} images, {TTA_TITLES[report['tta']]})"


CROSS_FITTING = {"folds": 5, "seed": 0}
"""How the images are divided for the cross-fitted calibration error, see `cross_fitted_ece`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model predicts for the images of a split, and how good that is.

    Attributes:
      report: `femo_jax.evaluate.metrics.report` with the keys `architecture`, `split` and `tta` added, and
        `robustness`, see `femo_jax.evaluate.robustness.robustness`, where corruptions were asked for.
      probabilities: `[n, c] float32`, in the order of `split.class_names`, which are those of the model.
      split: images, labels, names and, where the data have them, votes.
    """

    report: dict[str, Any]
    probabilities: np.ndarray
    split: Split

    @property
    def title(self) -> str:
        """Architecture, split, number of images and TTA, for the head of a table or figure."""
        return report_title(self.report)


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    split: str = "validation",
    tta: str = "none",
    *,
    batch_size: int = 256,
    corruptions: bool = False,
    prior: Prior = None,
    on_progress: Callable[[str], object] = lambda _: None,
) -> Evaluation:
    """Evaluates a model on a split; each image counts exactly once.

    Args:
      model: a workdir, whose best checkpoint is taken, a model file, or the name of a model that ships with femo.
      data: FER-2013 in any form that `femo_jax.data.load.load_split` takes.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).
      tta: a name of `femo_jax.evaluate.tta.tta_function`.
      batch_size: images computed at a time.
      corruptions: also evaluate the split's images as a camera may show them, which takes as long as two dozen
        evaluations.
      prior: how frequent the classes are where the images come from, see `femo_jax.prior`; None: as in training.
      on_progress: called with a few words when a step begins.

    Returns:
      Report, probabilities and split; `femo_jax.figures.report.draw_evaluation` draws them. The report's
      `without_overlap` is of the images that do not also occur in the training split of these data, if they have
      one.

      Where model and data have different classes, the report is of the images whose class the model has, and the
      argmax is over all classes of the model; `common_classes` is a report over those that the data have as well, with
      probabilities that sum to 1 over them; `left_out` names the other classes (`model_classes`, `data_classes`) and
      counts the `images` of classes that the model lacks. `prior` is there where one was given.

    Raises:
      FemoError: model and data have fewer than two classes in common; the model, the data, the split or the
        augmentation are not what they should be.
    """
    # Wrong arguments are reported before minutes of work, not after.
    tta_function(tta)
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    loaded = load_model(model)
    weights = prior_weights(prior, loaded.classes, training_prior(loaded.training, loaded.classes))
    network = logits_function(loaded)

    def predict(images: np.ndarray) -> np.ndarray:
        probabilities = predict_probabilities(network, images, batch_size, tta)
        return probabilities if (weights == 1).all() else corrected(probabilities, weights)

    on_progress(f"reading {split}")
    faces = load_split(data, split)
    matched = match_classes(loaded.classes, faces)
    faces = matched.split
    without_overlap = None
    if split != "train" and "train" in available_splits(data):
        without_overlap = ~occurs_in(faces.images, load_split(data, "train").images)
    on_progress("clean images")
    probabilities = predict(faces.images)
    result = {
        **report(probabilities, faces.labels, faces.class_names, without_overlap),
        "architecture": loaded.architecture,
        "split": split,
        "tta": tta,
    }
    if (weights != 1).any():
        result["prior"] = prior
    if matched.only_model or matched.only_data:
        result["left_out"] = {
            "model_classes": list(matched.only_model),
            "data_classes": list(matched.only_data),
            "images": matched.left_out,
        }
    if matched.only_model:
        names = [loaded.classes[index] for index in matched.common]
        result["common_classes"] = report(*restricted(probabilities, faces.labels, matched.common), names)
    if corruptions:
        result["robustness"] = robustness(predict, faces, probabilities, on_progress=on_progress)
    return Evaluation(result, probabilities, faces)


def _check_classes(loaded: LoadedModel, faces: Split, data: str | os.PathLike[str]) -> None:
    if loaded.classes != faces.class_names:
        raise ConfigError(
            f"{data}: has the classes {', '.join(faces.class_names)}, and the model {', '.join(loaded.classes)}:"
            " expected the same in the same order"
        )


def calibrate(loaded: LoadedModel, data: str | os.PathLike[str], split: str = "validation") -> LoadedModel:
    """Fit the temperature with which a model's confidence matches its accuracy on a split.

    Args:
      loaded: a model; its own temperature does not matter.
      data: FER-2013 in any form that `femo_jax.data.load.load_split` takes.
      split: not the one it was trained on, where it is more confident than elsewhere; `validation` is PublicTest.

    Returns:
      The model with `temperature`, and two entries more in `training`, as JSON has them: `evaluation` (`split`, `n`,
      `accuracy`, `accuracy_interval`, `macro_f1`, `recall` by label) and `calibration` (`split`, `n`, `nll` and `ece`
      with `before` and `after`, the `cross_fitted_ece` with its `folds` and `seed`, and `ece_by_chance`, see
      `femo_jax.evaluate.calibration`).

    Raises:
      FemoError: the data are not what they should be, or the network returns NaN.
    """
    faces = load_split(data, split)
    _check_classes(loaded, faces, data)
    uncalibrated = dataclasses.replace(loaded, temperature=1.0)
    probabilities = predict_probabilities(logits_function(uncalibrated), faces.images)
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    temperature = fit_temperature(logits, faces.labels)
    before = report(probabilities, faces.labels, faces.class_names)
    calibrated = softmax(logits / temperature, axis=1)
    after = report(calibrated, faces.labels, faces.class_names)
    evaluation = {
        "split": split,
        **{key: before[key] for key in ("n", "accuracy", "accuracy_interval", "macro_f1")},
        "recall": {label: values["recall"] for label, values in before["per_class"].items()},
    }
    calibration = {
        "split": split,
        "n": before["n"],
        **{key: {"before": before[key], "after": after[key]} for key in ("nll", "ece")},
        "cross_fitted_ece": cross_fitted_ece(logits, faces.labels, **CROSS_FITTING),
        "ece_by_chance": ece_by_chance(calibrated)._asdict(),
        **CROSS_FITTING,
    }
    training = {**loaded.training, "evaluation": evaluation, "calibration": calibration}
    return dataclasses.replace(loaded, temperature=temperature, training=training)
