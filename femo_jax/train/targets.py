"""What each training picture is to be called: its label, smoothed, and what people and other networks say of it."""

import jax.numpy as jnp
import numpy as np

from femo_jax.data.splits import Split
from femo_jax.emotions import NUM_EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.train.config import TrainConfig
from femo_jax.train.losses import smooth_targets
from femo_jax.train.soft_labels import load_soft_labels


def training_targets(split: Split, config: TrainConfig) -> np.ndarray:
    """The distribution over the classes that the network is to learn for each picture of a split.

    FER-2013's labels are noisy: of ten people asked (FER+), the favourite is the label in two pictures of three. The
    label is one draw from what a picture may be called; the likely label given the votes (`labels_given_votes`) and
    the mean of trained networks estimate the same distribution with less noise, and a part of each helps.

    Returns:
      `[n, 7] float32`, rows that sum to 1: the smoothed label, of which `config.ferplus_weight` and
      `config.distillation_weight` are replaced.

    Raises:
      ConfigError: the configuration asks for votes and the data have none.
      DataError: the soft labels are missing, damaged or of other pictures.
    """
    votes, soft_labels = _votes_and_soft_labels(split, config)
    targets = np.asarray(smooth_targets(jnp.asarray(split.labels), config.label_smoothing))
    label_share = max(0.0, 1.0 - config.ferplus_weight - config.distillation_weight)
    targets = label_share * targets
    if votes is not None:
        targets = targets + config.ferplus_weight * labels_given_votes(votes, split.labels)
    if soft_labels is not None:
        targets = targets + config.distillation_weight * soft_labels
    return targets.astype(np.float32)


def check_targets(split: Split, config: TrainConfig) -> None:
    """Makes sure that there is what `training_targets` needs, without its work.

    Raises:
      ConfigError, DataError: as `training_targets`.
    """
    _votes_and_soft_labels(split, config)


def _votes_and_soft_labels(split: Split, config: TrainConfig) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What the configuration asks for, None where it does not."""
    if config.ferplus_weight and split.votes is None:
        raise ConfigError(
            f"ferplus_weight is {config.ferplus_weight}, but the data have no votes. Prepare them with"
            " `femo data prepare fer2013.csv --ferplus fer2013new.csv`, and give the prepared folder as --data"
        )
    votes = split.votes if config.ferplus_weight else None
    return votes, load_soft_labels(config.soft_labels, split) if config.soft_labels else None


def labels_given_votes(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability of each FER-2013 label given the votes of FER+, by multinomial logistic regression.

    People and FER-2013 name the same face differently, and not at random: what ten people call neutral is often
    labelled sad. The regression learns this from the very pictures, with a handful of parameters.

    Args:
      votes: `[n, 10] uint8`, all zero where a picture has none.
      labels: `[n] int32`.

    Returns:
      `[n, 7] float32`.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    shares = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    regression = LogisticRegression(C=10.0, max_iter=1000).fit(shares, labels)
    probabilities = np.zeros((len(labels), NUM_EMOTIONS), np.float32)
    probabilities[:, regression.classes_] = regression.predict_proba(shares)
    return probabilities
