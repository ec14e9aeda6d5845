import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save

from femo_jax.data.ferplus import CLASSES
from femo_jax.data.splits import digest_of
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, DataError
from femo_jax.train.config import TrainConfig
from femo_jax.train.targets import (
    balanced_class_weights,
    labels_given_votes,
    load_soft_labels,
    save_soft_labels,
    smooth_targets,
    training_targets,
)


@pytest.fixture
def voted(train_tiles):
    """Images on which eight of ten people vote for vote number 9 - label, and two for `neutral`."""
    votes = np.zeros((len(train_tiles.labels), 10), np.uint8)
    votes[np.arange(len(votes)), 9 - train_tiles.labels] = 8
    votes[:, 0] += 2
    return train_tiles._replace(votes=votes)


def test_targets_default_to_smoothed_labels(train_tiles):
    targets = training_targets(train_tiles, TrainConfig(label_smoothing=0.14))
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets.argmax(axis=1), train_tiles.labels)
    np.testing.assert_allclose(np.sort(targets, axis=1), np.tile([0.02] * 6 + [0.88], (len(targets), 1)), rtol=1e-5)


def test_where_the_majority_is_the_label_the_shares_of_the_votes_are_the_target(train_tiles):
    votes = np.zeros((len(train_tiles.labels), 10), np.uint8)
    votes[:, [0, 7, 8]] = 6, 3, 1  # neutral, contempt, and a single vote, which does not count
    neutral = np.full_like(train_tiles.labels, CLASSES.index("neutral"))
    voted = train_tiles._replace(votes=votes, labels=neutral, class_names=CLASSES)
    targets = training_targets(voted, TrainConfig(ferplus_weight=0.5, label_smoothing=0.0))
    expected = {"neutral": 0.5 + 0.5 * 6 / 9, "contempt": 0.5 * 3 / 9}
    np.testing.assert_allclose(targets[0], [expected.get(name, 0.0) for name in CLASSES], rtol=1e-6)


def test_votes_predict_the_label(voted):
    given = labels_given_votes(voted.votes, voted.labels, 7)
    np.testing.assert_array_equal(given.argmax(axis=1), voted.labels)
    np.testing.assert_allclose(given.sum(axis=1), 1.0, rtol=1e-5)


def test_equal_votes_give_label_frequencies():
    votes = np.tile(np.array([10] + [0] * 9, np.uint8), (200, 1))
    labels = np.repeat([4, 5], [150, 50]).astype(np.int32)
    given = labels_given_votes(votes, labels, 7)
    np.testing.assert_allclose(given, np.tile([0, 0, 0, 0, 0.75, 0.25, 0], (200, 1)), atol=0.01)


def test_weights_of_target_parts_sum_to_one(voted, tmp_path):
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
    expected = 0.25 * np.eye(7)[voted.labels] + 0.25 * labels_given_votes(voted.votes, voted.labels, 7) + 0.5 * soft
    np.testing.assert_allclose(targets, expected, atol=1e-6)


def test_missing_votes_are_refused(train_tiles):
    with pytest.raises(ConfigError, match=r"ferplus_weight is 0\.5.*--ferplus"):
        training_targets(train_tiles, TrainConfig(ferplus_weight=0.5))


@pytest.mark.parametrize(("ferplus_weight", "distillation_weight"), [(0.8, 0.2), (0.9, 0.1), (2 / 3, 1 / 3)])
def test_label_weight_may_be_zero(ferplus_weight, distillation_weight, voted, tmp_path):
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
def test_weights_above_one_and_soft_labels_without_weight_are_refused(values):
    with pytest.raises(ConfigError, match="distillation_weight"):
        dataclasses.replace(TrainConfig(), **values)


def test_smoothing_spreads_its_share_over_all_classes():
    targets = smooth_targets(jnp.array([2, 6]), 0.14, 7)
    np.testing.assert_allclose(targets[0], [0.02, 0.02, 0.88, 0.02, 0.02, 0.02, 0.02], rtol=1e-5)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-6)


def test_balanced_weights_give_every_class_the_same_sum():
    labels = np.repeat(np.arange(7), [10, 1, 5, 20, 4, 2, 8]).astype(np.int32)
    weights = balanced_class_weights(labels, 7)
    sums = np.bincount(labels, weights=weights[labels])
    np.testing.assert_allclose(sums, np.full(7, len(labels) / 7), rtol=1e-5)


def test_an_absent_class_weighs_nothing():
    weights = balanced_class_weights(np.array([0, 0, 3], np.int32), 7)
    assert weights[1] == 0.0
    assert weights[[0, 0, 3]].mean() == pytest.approx(1.0)


@pytest.fixture
def saved(tmp_path, train_tiles):
    """A file of soft labels and what it holds."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), len(train_tiles.labels)).astype(np.float32)
    save_soft_labels(tmp_path / "soft.safetensors", train_tiles, probabilities, ["one", "two"])
    return tmp_path / "soft.safetensors", probabilities


def test_saved_soft_labels_are_read_back(saved, train_tiles):
    path, probabilities = saved
    np.testing.assert_array_equal(load_soft_labels(path, train_tiles), probabilities)


def test_soft_labels_of_other_images_or_class_order_are_refused(saved, train_tiles, validation_tiles):
    turned = train_tiles._replace(images=train_tiles.images[::-1])
    for other in (validation_tiles, turned):
        with pytest.raises(DataError, match="other images"):
            load_soft_labels(saved[0], other)


def test_missing_and_damaged_soft_labels_are_refused(saved, tmp_path, train_tiles):
    with pytest.raises(DataError, match=r"none\.safetensors.*femo soft-labels"):
        load_soft_labels(tmp_path / "none.safetensors", train_tiles)
    saved[0].write_bytes(saved[0].read_bytes()[:50])
    with pytest.raises(DataError, match=r"soft\.safetensors"):
        load_soft_labels(saved[0], train_tiles)


def write(path, split, probabilities, **more):
    metadata = {"pictures": digest_of(split.images), "classes": json.dumps(EMOTIONS), "models": "[]", **more}
    path.write_bytes(save({"probabilities": probabilities}, metadata))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p * 0.5, "96 of 96 soft labels are not probabilities, first in row 0"),
        (lambda p: p * 4, "not probabilities"),
        (lambda p: np.where(np.arange(7) == 1, np.nan, p), "not probabilities"),
        (lambda p: np.where(np.arange(7) == 1, np.inf, p), "not probabilities"),
        (lambda p: p + np.array([-2, 2, 0, 0, 0, 0, 0]), "not probabilities"),
        (lambda p: p.astype(np.float64), "float64 of shape"),
        (lambda p: p[:, :6], r"shape \(96, 6\), expected float32 of shape \(96, 7\)"),
        (lambda p: p[:5], r"shape \(5, 7\)"),
    ],
)
def test_values_that_are_not_probabilities_are_refused(saved, tmp_path, train_tiles, change, message):
    changed = change(saved[1])
    dtype = changed.dtype if "float64 of" in message else np.float32
    write(tmp_path / "bad.safetensors", train_tiles, np.ascontiguousarray(changed.astype(dtype)))
    with pytest.raises(DataError, match=message):
        load_soft_labels(tmp_path / "bad.safetensors", train_tiles)


def test_a_file_of_an_older_version_without_a_digest_is_read(saved, tmp_path, train_tiles):
    write(tmp_path / "old.safetensors", train_tiles, saved[1])
    np.testing.assert_array_equal(load_soft_labels(tmp_path / "old.safetensors", train_tiles), saved[1])


def test_values_that_changed_after_the_digest_are_refused(saved, tmp_path, train_tiles):
    write(tmp_path / "flipped.safetensors", train_tiles, saved[1][:, ::-1].copy(), sha256=digest_of(saved[1]))
    with pytest.raises(DataError, match="the digest does not match"):
        load_soft_labels(tmp_path / "flipped.safetensors", train_tiles)
