import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from femo_jax.train.losses import balanced_class_weights, cross_entropy, smooth_targets


def test_smoothing_spreads_its_share_over_all_classes():
    targets = smooth_targets(jnp.array([2, 6]), 0.14)
    np.testing.assert_allclose(targets[0], [0.02, 0.02, 0.88, 0.02, 0.02, 0.02, 0.02], rtol=1e-5)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-6)


def test_cross_entropy_agrees_with_optax():
    logits = jax.random.normal(jax.random.key(0), (5, 7)) * 10
    labels = jnp.array([0, 1, 2, 3, 6])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(cross_entropy(logits, smooth_targets(labels, 0.0)), expected, rtol=1e-5)


def test_cross_entropy_of_half_precision_logits_is_float32():
    assert cross_entropy(jnp.ones((2, 7), jnp.bfloat16), jnp.ones((2, 7)) / 7).dtype == jnp.float32


def test_balanced_weights_give_every_class_the_same_sum():
    labels = np.repeat(np.arange(7), [10, 1, 5, 20, 4, 2, 8]).astype(np.int32)
    weights = balanced_class_weights(labels)
    sums = np.bincount(labels, weights=weights[labels])
    np.testing.assert_allclose(sums, np.full(7, len(labels) / 7), rtol=1e-5)


def test_an_absent_class_weighs_nothing():
    weights = balanced_class_weights(np.array([0, 0, 3], np.int32))
    assert weights[1] == 0.0
    assert weights[[0, 0, 3]].mean() == pytest.approx(1.0)
