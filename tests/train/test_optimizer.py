import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.train.config import TrainConfig
from femo_jax.train.optimizer import MUON_ITERATIONS, create_optimizer, create_schedule, orthogonalized, scale_by_muon

CONFIG = TrainConfig(epochs=10, warmup_epochs=2.0, learning_rate=0.5)


@pytest.mark.parametrize(("kind", "middle"), [("cosine", 0.25), ("linear", 0.25), ("constant", 0.5)])
def test_schedule_warms_up_then_decays(kind, middle):
    schedule = create_schedule(dataclasses.replace(CONFIG, schedule=kind), steps_per_epoch=100)
    assert schedule(0) == 0.0
    assert schedule(100) == pytest.approx(0.25)
    assert schedule(200) == pytest.approx(0.5)
    assert schedule(600) == pytest.approx(middle, abs=1e-6)
    assert schedule(1000) == pytest.approx(0.5 if kind == "constant" else 0.0, abs=1e-6)


def test_no_warm_up_starts_at_the_peak():
    schedule = create_schedule(dataclasses.replace(CONFIG, warmup_epochs=0.0), steps_per_epoch=100)
    assert schedule(0) == pytest.approx(0.5)


def one_update(config, params, gradients):
    tx = create_optimizer(config, lambda step: config.learning_rate)
    updates, _ = tx.update(gradients, tx.init(params), params)
    return updates


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_shrinks_kernels_alone(optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, weight_decay=0.1)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "scale": jnp.ones(2)}
    updates = one_update(config, params, jax.tree.map(jnp.zeros_like, params))
    assert (updates["kernel"] < 0).all()
    assert not updates["bias"].any() and not updates["scale"].any()


def test_sgd_is_nesterov():
    config = dataclasses.replace(CONFIG, weight_decay=0.0, momentum=0.9)
    updates = one_update(config, {"kernel": jnp.zeros((1, 1))}, {"kernel": jnp.ones((1, 1))})
    np.testing.assert_allclose(updates["kernel"], -0.5 * 1.9, rtol=1e-6)


def test_clipping_bounds_the_global_norm():
    config = dataclasses.replace(CONFIG, weight_decay=0.0, momentum=0.0, learning_rate=1.0, clip_norm=0.5)
    updates = one_update(config, {"kernel": jnp.zeros((2, 2))}, {"kernel": jnp.full((2, 2), 100.0)})
    np.testing.assert_allclose(jnp.linalg.norm(updates["kernel"]), 0.5, rtol=1e-4)


def test_muon_takes_equal_steps_in_all_directions_of_a_kernel_and_leaves_the_rest_to_adam():
    """A gradient of one dominant direction becomes an update whose singular values are alike."""
    config = dataclasses.replace(CONFIG, optimizer="muon", learning_rate=0.1, weight_decay=0.0)
    params = {"kernel": jnp.zeros((3, 3, 4, 6)), "bias": jnp.zeros(6)}
    noise = jax.random.normal(jax.random.key(0), (36, 6))
    gradient = {"kernel": (noise + 30.0 * noise[:, :1]).reshape(3, 3, 4, 6), "bias": jnp.full(6, -3.0)}
    updates = one_update(config, params, gradient)
    before, after = (
        np.linalg.svd(np.asarray(tree["kernel"]).reshape(36, 6), compute_uv=False) for tree in (gradient, updates)
    )
    assert before[0] / before[-1] > 30
    assert after[0] / after[-1] < 0.2 * before[0] / before[-1]
    assert float(jnp.sqrt(jnp.mean(updates["kernel"] ** 2))) == pytest.approx(0.1 * 0.2, rel=0.4)
    assert ((updates["bias"] > 0.05) & (updates["bias"] < 0.2)).all()


@pytest.mark.parametrize("shape", [(6, 36), (36, 6), (96, 864), (16, 16), (1, 9)])
def test_orthogonalized_is_newton_and_schulz_on_the_whole_matrix(shape):
    matrix = jax.random.normal(jax.random.key(1), shape) + 20.0 * jax.random.normal(jax.random.key(2), (shape[0], 1))
    expected = np.asarray(matrix, np.float64)
    expected /= np.linalg.norm(expected @ expected.T) ** 0.5
    for _ in range(MUON_ITERATIONS):
        gram = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    np.testing.assert_allclose(orthogonalized(matrix), expected, atol=1e-4 * np.abs(expected).max())


def test_orthogonalized_rank_one_matrix_stays_bounded():
    """Rounding leaves small negative eigenvalues in the products of a matrix of rank one."""
    matrix = jnp.outer(jnp.arange(1.0, 65.0), jnp.arange(1.0, 577.0))
    singular = np.linalg.svd(np.asarray(orthogonalized(matrix)), compute_uv=False)
    assert 0.6 < singular[0] < 1.3
    assert singular[1] < 1e-2


def test_zero_gradient_gives_zero_update():
    kernel = jnp.zeros((3, 3, 4, 8))
    update = scale_by_muon(0.9)
    updates, _ = update.update(kernel, update.init(kernel))
    assert not np.asarray(updates).any()
