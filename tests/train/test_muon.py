import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.train.muon import ITERATIONS, orthogonalized, scale_by_muon


@pytest.mark.parametrize("shape", [(6, 36), (36, 6), (96, 864), (16, 16), (1, 9)])
def test_orthogonalized_is_newton_and_schulz_on_the_whole_matrix(shape):
    matrix = jax.random.normal(jax.random.key(1), shape) + 20.0 * jax.random.normal(jax.random.key(2), (shape[0], 1))
    expected = np.asarray(matrix, np.float64)
    expected /= np.linalg.norm(expected @ expected.T) ** 0.5
    for _ in range(ITERATIONS):
        gram = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    np.testing.assert_allclose(orthogonalized(matrix), expected, atol=1e-4 * np.abs(expected).max())


def test_directions_that_a_gradient_lacks_stay_bounded():
    """Rounding leaves small negative eigenvalues in the products of a matrix of rank one."""
    matrix = jnp.outer(jnp.arange(1.0, 65.0), jnp.arange(1.0, 577.0))
    singular = np.linalg.svd(np.asarray(orthogonalized(matrix)), compute_uv=False)
    assert 0.6 < singular[0] < 1.3
    assert singular[1] < 1e-2


def test_no_gradient_is_no_update():
    kernel = jnp.zeros((3, 3, 4, 8))
    update = scale_by_muon(0.9)
    updates, _ = update.update(kernel, update.init(kernel))
    assert not np.asarray(updates).any()
