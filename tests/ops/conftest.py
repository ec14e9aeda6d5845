"""Implementations to compare, and how to compare them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}
"""Largest difference, as a share of the largest value of the reference."""


@pytest.fixture
def assert_like_reference():
    """A function that compares an operation and its gradients with a reference, all under jit.

    It takes both functions, their arrays and a dtype. The arrays are rounded to the dtype, but for those named in
    `float32`; the reference computes in float32 from the rounded ones, so that it shows what the result ought to be.
    With `relu`, the reference leaves the cut at 0 to be added here: where the reference is nearly 0, rounding alone
    decides whether a pixel is cut, and no gradient is sent there.
    """

    def check(operation, reference, arrays, dtype, *, float32=(), relu=False):
        given = [jnp.asarray(array, jnp.float32 if index in float32 else dtype) for index, array in enumerate(arrays)]
        exact = [array.astype(jnp.float32) for array in given]

        # At the lowest level XLA compiles in half the time, and computes the same.
        @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
        def both(given, exact):
            wanted, pull = jax.vjp(reference, *exact)
            cotangent = jax.random.normal(jax.random.key(7), wanted.shape)
            got, pull_ours = jax.vjp(operation, *given)
            if relu:
                cotangent = jnp.where(jnp.abs(wanted) > 0.05 * jnp.abs(wanted).max(), cotangent, 0)
                cotangent = cotangent.astype(dtype).astype(jnp.float32)
                expected = [jax.nn.relu(wanted), *pull(jnp.where(wanted > 0, cotangent, 0))]
            else:
                cotangent = cotangent.astype(dtype).astype(jnp.float32)
                expected = [wanted, *pull(cotangent)]
            return [got, *pull_ours(cotangent.astype(got.dtype))], expected

        results, expected = both(given, exact)
        assert [result.dtype for result in results] == [jnp.dtype(dtype), *(array.dtype for array in given)]
        for name, result, wanted in zip(["output", *map(str, range(len(given)))], results, expected, strict=True):
            assert result.shape == wanted.shape, name
            largest = np.abs(wanted).max()
            assert largest > 0, f"{name}: the reference is 0 everywhere"
            difference = np.abs(np.asarray(result, np.float32) - np.asarray(wanted)).max()
            assert difference <= TOLERANCE[dtype] * largest, f"{name}: {difference / largest:.1e}"

    return check
