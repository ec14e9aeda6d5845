"""Muon (Jordan et al. 2024; Liu et al. 2025, arXiv:2502.16982) for kernels of convolutions, quick on a CPU."""

import jax
import jax.numpy as jnp
import optax

ITERATIONS = 3
"""Of Newton and Schulz in a step: not five, which do no better on so small networks (as in cifar10-airbench)."""

_A, _B, _C = 3.4445, -4.7750, 2.0315  # Jordan's quintic: the steepest at 0 that ends between 0.7 and 1.2
_UPDATE_RMS = 0.2  # as AdamW's updates usually have, so that one learning rate serves both


def scale_by_muon(momentum: float) -> optax.GradientTransformation:
    """Nesterov momentum, made orthogonal: an update that is about as large in all directions of a kernel.

    Kernels are `[height, width, inputs, outputs]`, taken as matrices of all inputs by outputs. Updates have a root mean
    square of about 0.2.
    """
    return optax.chain(
        optax.trace(momentum, nesterov=True),
        optax.stateless(lambda updates, _: jax.tree.map(_orthogonal_update, updates)),
    )


def orthogonalized(matrix: jax.Array) -> jax.Array:
    """The matrix `[m, n] float32` with all its singular values brought near 1, by Newton and Schulz's iteration.

    An iteration `X <- (a I + b XXᵀ + c (XXᵀ)²) X` multiplies X by a polynomial of `G = XXᵀ`, so that all of them
    together multiply it by a product of polynomials of the first G, which commute. Only G is iterated, and the wide X
    is multiplied twice, not twice an iteration: less than half the work where a kernel has nine inputs to an output.
    The start is divided by the root of G's Frobenius norm, which bounds the largest singular value more closely than
    the norm of X does (Grishina et al. 2025, arXiv:2506.10935).
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    gram = wide @ wide.T
    norm = jnp.linalg.norm(gram) + 1e-20
    gram = gram / norm
    product = factor = _factor(gram)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        product = factor @ product
    result = product @ wide / jnp.sqrt(norm)
    return result if wide is matrix else result.T


def _factor(gram: jax.Array) -> jax.Array:
    return _A * jnp.eye(len(gram), dtype=gram.dtype) + _B * gram + _C * gram @ gram


def _orthogonal_update(kernel: jax.Array) -> jax.Array:
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return (_UPDATE_RMS * max(matrix.shape) ** 0.5 * orthogonalized(matrix)).reshape(kernel.shape)
