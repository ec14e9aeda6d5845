import dataclasses

import numpy as np
import pytest

from femo_jax.errors import ConfigError
from femo_jax.train.config import TrainConfig
from femo_jax.train.soft_labels import save_soft_labels
from femo_jax.train.targets import labels_given_votes, training_targets


@pytest.fixture
def voted(train_tiles):
    """Pictures on which eight of ten people vote for vote number 9 - label, and two for `neutral`."""
    votes = np.zeros((len(train_tiles.labels), 10), np.uint8)
    votes[np.arange(len(votes)), 9 - train_tiles.labels] = 8
    votes[:, 0] += 2
    return train_tiles._replace(votes=votes)


def test_without_more_it_is_the_smoothed_label(train_tiles):
    targets = training_targets(train_tiles, TrainConfig(label_smoothing=0.14))
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets.argmax(axis=1), train_tiles.labels)
    np.testing.assert_allclose(np.sort(targets, axis=1), np.tile([0.02] * 6 + [0.88], (len(targets), 1)), rtol=1e-5)


def test_votes_say_which_label_is_likely_whatever_they_are_called(voted):
    given = labels_given_votes(voted.votes, voted.labels)
    np.testing.assert_array_equal(given.argmax(axis=1), voted.labels)
    np.testing.assert_allclose(given.sum(axis=1), 1.0, rtol=1e-5)


def test_equal_votes_give_the_shares_of_the_labels():
    votes = np.tile(np.array([10] + [0] * 9, np.uint8), (200, 1))
    labels = np.repeat([4, 5], [150, 50]).astype(np.int32)
    given = labels_given_votes(votes, labels)
    np.testing.assert_allclose(given, np.tile([0, 0, 0, 0, 0.75, 0.25, 0], (200, 1)), atol=0.01)


def test_shares_add_up(voted, tmp_path):
    soft = np.tile(np.eye(7, dtype=np.float32)[2], (len(voted.labels), 1))
    save_soft_labels(tmp_path / "soft.safetensors", voted, soft, ["always disgust"])
    config = TrainConfig(
        label_smoothing=0.0,
        ferplus_weight=0.25,
        soft_labels=str(tmp_path / "soft.safetensors"),
        distillation_weight=0.5,
    )
    targets = training_targets(voted, config)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-5)
    expected = 0.25 * np.eye(7)[voted.labels] + 0.25 * labels_given_votes(voted.votes, voted.labels) + 0.5 * soft
    np.testing.assert_allclose(targets, expected, atol=1e-6)


def test_votes_that_are_not_there_are_asked_for(train_tiles):
    with pytest.raises(ConfigError, match=r"ferplus_weight is 0\.5.*--ferplus"):
        training_targets(train_tiles, TrainConfig(ferplus_weight=0.5))


@pytest.mark.parametrize(("ferplus_weight", "distillation_weight"), [(0.8, 0.2), (0.9, 0.1), (2 / 3, 1 / 3)])
def test_shares_may_leave_nothing_to_the_label(ferplus_weight, distillation_weight, voted, tmp_path):
    """Whatever rounding makes of their sum."""
    soft = np.tile(np.eye(7, dtype=np.float32)[2], (len(voted.labels), 1))
    save_soft_labels(tmp_path / "soft.safetensors", voted, soft, ["always disgust"])
    path = str(tmp_path / "soft.safetensors")
    config = TrainConfig(ferplus_weight=ferplus_weight, soft_labels=path, distillation_weight=distillation_weight)
    targets = training_targets(voted, config)
    assert targets.min() >= 0
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "values", [{"ferplus_weight": 0.6, "soft_labels": "f", "distillation_weight": 0.5}, {"soft_labels": "f"}]
)
def test_shares_over_the_whole_and_soft_labels_without_a_share_are_refused(values):
    with pytest.raises(ConfigError, match="distillation_weight"):
        dataclasses.replace(TrainConfig(), **values)
