"""Class priors: how frequent the classes are where a model is used, and Bayes' rule for it.

A network learns how frequent the classes are among its training images. In a place where they have other frequencies,
its calibrated probabilities are multiplied by the ratio of the two and normalised again (Saerens, Latinne and
Decaestecker 2002, doi:10.1162/089976602753284446).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from femo_jax.emotions import EMOTIONS, canonical_name
from femo_jax.errors import ConfigError

Prior = str | Mapping[str, float] | None
"""A name of `PRIORS`, or probabilities by class name; None is `training`."""

TRAINING, UNIFORM, EVERYDAY = "training", "uniform", "everyday"

PRIORS = {
    TRAINING: "as frequent as in training: probabilities stay as they are",
    UNIFORM: "all classes equally frequent",
    EVERYDAY: "neutral faces more frequent than in training, as in everyday images",
}
"""Names of priors."""

EVERYDAY_NEUTRAL = 2.5
"""Factor by which neutral faces are more frequent, compared with the others: chosen with `tools/wild_prior.py`."""

_FER2013_COUNTS = np.array((3995, 436, 4097, 7215, 4965, 4830, 3171))
FER2013_PRIOR = _FER2013_COUNTS / _FER2013_COUNTS.sum()
"""Frequencies of the classes in FER-2013's Training, `[7] float64`, in the order of `femo_jax.EMOTIONS`."""


DEFAULT_PRIOR = EVERYDAY
"""What live recognition takes unless it is told otherwise."""


def check_prior(prior: Prior) -> None:
    """Checks what does not depend on a model.

    Raises:
      ConfigError: it is no name of a prior, or not probabilities by class name.
    """
    if isinstance(prior, str):
        if prior not in PRIORS:
            raise ConfigError(f"prior is {prior!r}; expected {', '.join(PRIORS)}, or probabilities by class name.")
    elif isinstance(prior, Mapping):
        for name, value in prior.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not isinstance(name, str) or not number or not 0 < value < 1:
                raise ConfigError(f"prior of {name!r} is {value!r}; expected a probability between 0 and 1.")
        total = math.fsum(prior.values())
        if total > 1.001:
            raise ConfigError(f"the probabilities of the prior have the sum {total:g}; expected at most 1.")
    elif prior is not None:
        raise ConfigError(f"prior is {prior!r}; expected {', '.join(PRIORS)}, or probabilities by class name.")


def prior_weights(prior: Prior, class_names: Sequence[str], training: np.ndarray | None) -> np.ndarray:
    """What the probabilities of each class are multiplied by.

    Args:
      prior: of the place of use. Of a mapping, classes that are not named share the rest as in training.
      class_names: of the model.
      training: frequencies of the classes in training, `[c] float64`; None where they are not known.

    Returns:
      `[c] float64`; `everyday` has no effect on a model without the class neutral.

    Raises:
      ConfigError: the prior names a class that the model does not have, all classes with another sum than 1, or it
        needs the frequencies in training, which are not known.
    """
    check_prior(prior)
    weights = np.ones(len(class_names))
    if prior is None or prior == TRAINING:
        return weights
    if prior == EVERYDAY:
        weights[[canonical_name(name) == "neutral" for name in class_names]] = EVERYDAY_NEUTRAL
        return weights
    if training is None:
        raise ConfigError(
            f"prior is {prior!r}, but the model does not state how frequent its classes were in training. Export it"
            f" again from its run folder, or choose {TRAINING} or {EVERYDAY}."
        )
    if isinstance(prior, str):
        return 1 / (len(class_names) * training)
    unknown = [name for name in prior if name not in class_names]
    if unknown:
        raise ConfigError(f"prior names the class {unknown[0]!r}; the model has {', '.join(class_names)}.")
    named = np.array([name in prior for name in class_names])
    rest = 1 - math.fsum(prior.values())
    if (named.all() and abs(rest) > 0.001) or (not named.all() and rest <= 0):
        raise ConfigError(
            f"the probabilities of the prior have the sum {1 - rest:g}; expected 1 for all classes, less for a part."
        )
    shares = training * (0 if named.all() else rest / training[~named].sum())
    return np.array([prior.get(name, share) for name, share in zip(class_names, shares, strict=True)]) / training


def corrected(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Probabilities `[n, c]`, each multiplied by the weight of its class and each row normalised again, as float32."""
    weighted = probabilities * weights
    return (weighted / weighted.sum(axis=-1, keepdims=True)).astype(np.float32)


def parse_prior(text: str) -> Prior:
    """The prior that a user wrote: a name, or `neutral=0.4,happy=0.2`.

    Raises:
      ConfigError: it is neither.
    """
    if "=" not in text:
        check_prior(text)
        return text
    prior: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            probability = float(value)
        except ValueError:
            raise ConfigError(
                f"prior is {text!r}; expected {', '.join(PRIORS)}, or probabilities such as neutral=0.4,happy=0.2."
            ) from None
        if name.strip() in prior:
            raise ConfigError(f"prior names {name.strip()!r} twice.")
        prior[name.strip()] = probability
    check_prior(prior)
    return prior


def class_frequencies(labels: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """How frequent the classes are among labels `[n] int32`, as a run folder and a model file store it."""
    counts = np.bincount(labels, minlength=len(class_names))
    return dict(zip(class_names, (counts / counts.sum()).tolist(), strict=True))


def training_prior(training: Mapping[str, Any], class_names: Sequence[str]) -> np.ndarray | None:
    """How frequent the classes were in the training of a model.

    Args:
      training: what its file states of its training. Files of earlier releases have no frequencies: where the classes
        are those of FER-2013, its frequencies are taken.
      class_names: of the model.

    Returns:
      `[c] float64`, all positive; None where it is not known.
    """
    stated = training.get("class_frequencies")
    if isinstance(stated, Mapping):
        values = [stated.get(name) for name in class_names]
        if all(isinstance(value, float) and 0 < value < 1 for value in values):
            return np.array(values, np.float64)
        return None
    return FER2013_PRIOR if tuple(class_names) == EMOTIONS else None
