import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.ops import batch_norm
from femo_jax.ops.batch_norm import normalized

SHAPES = {
    "images": (4, 6, 6, 16),
    "odd": (3, 5, 7, 13),
    "1 channel": (2, 4, 4, 1),
    "1 image": (1, 6, 5, 24),
    "rows": (24, 10),
    "three axes": (4, 6, 10),
    "first of femonet": (8, 24, 24, 48),
}

# XLA's own operations are called as they are: a few cases show that the options reach them.
BY_IMPLEMENTATION = [
    *((case, "onednn") for case in SHAPES),
    *((case, "xla") for case in ("odd", "rows")),
]


def drawn(shape):
    """Images off centre, scale and bias."""
    rng = np.random.default_rng(0)
    channels = shape[-1]
    x = rng.normal(0.7, 1.5, shape)
    return x, rng.uniform(0.5, 2.0, channels), rng.normal(0.0, 0.5, channels)


def by_flax(x, scale, bias, epsilon=1e-5):
    """The output and the moments, which Flax gives as running averages that forget all."""
    layer = nn.BatchNorm(use_running_average=False, momentum=0.0, epsilon=epsilon)
    variables = {
        "params": {"scale": scale, "bias": bias},
        "batch_stats": {"mean": jnp.zeros_like(bias), "var": jnp.ones_like(bias)},
    }
    output, updated = layer.apply(variables, x, mutable=["batch_stats"])
    return output, updated["batch_stats"]["mean"], updated["batch_stats"]["var"]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("case", "implementation"), BY_IMPLEMENTATION, indirect=["implementation"])
def test_is_flaxs(case, dtype, relu, implementation, assert_like_reference):
    assert_like_reference(
        lambda *arrays: batch_norm(*arrays, relu=relu, implementation=implementation)[0],
        lambda *arrays: by_flax(*arrays)[0],
        drawn(SHAPES[case]),
        dtype,
        float32=[1, 2],
        relu=relu,
    )


def test_epsilon(implementation, assert_like_reference):
    assert_like_reference(
        lambda *arrays: batch_norm(*arrays, epsilon=0.5, implementation=implementation)[0],
        lambda *arrays: by_flax(*arrays, epsilon=0.5)[0],
        drawn((4, 6, 6, 16)),
        "float32",
    )


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("case", "implementation"), BY_IMPLEMENTATION, indirect=["implementation"])
def test_moments_are_flaxs(case, dtype, relu, implementation):
    x, scale, bias = drawn(SHAPES[case])
    x, scale, bias = jnp.asarray(x, dtype), jnp.float32(scale), jnp.float32(bias)
    _, mean, variance = jax.jit(partial(batch_norm, relu=relu, implementation=implementation))(x, scale, bias)
    _, flax_mean, flax_variance = by_flax(x, scale, bias)
    assert mean.dtype == variance.dtype == jnp.float32
    np.testing.assert_allclose(mean, flax_mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, flax_variance, rtol=1e-5, atol=1e-6)


def test_a_channel_that_is_the_same_everywhere(implementation):
    """Its variance is 0; the gradients stay finite."""
    x = jnp.full((2, 4, 4, 3), 0.3)
    scale, bias = jnp.ones(3), jnp.array([-1.0, 0.0, 1.0])

    def total(*arrays):
        output, mean, variance = batch_norm(*arrays, implementation=implementation)
        return jnp.sum(output * jnp.arange(3.0)), (output, mean, variance)

    gradients, (output, mean, variance) = jax.grad(total, (0, 1, 2), has_aux=True)(x, scale, bias)
    np.testing.assert_allclose(output, jnp.broadcast_to(bias, x.shape), atol=1e-3)
    np.testing.assert_allclose(mean, 0.3, rtol=1e-6)
    assert (np.asarray(variance) >= 0).all()
    np.testing.assert_allclose(variance, 0, atol=1e-7)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_no_gradient_flows_through_the_moments(implementation):
    def total(*arrays):
        _, mean, variance = batch_norm(*arrays, implementation=implementation)
        return jnp.sum(mean) + jnp.sum(variance)

    gradients = jax.grad(total, (0, 1, 2))(*map(jnp.float32, drawn((2, 4, 4, 3))))
    assert not any(np.any(gradient) for gradient in gradients)


@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_finite_stays_so(relu, implementation):
    """Or a run that diverges would go on unseen."""
    x, scale, bias = map(jnp.float32, drawn((2, 4, 4, 3)))
    x = x.at[1, 2, 3, 0].set(jnp.nan)
    _, mean, variance = batch_norm(x, scale, bias, relu=relu, implementation=implementation)
    np.testing.assert_array_equal(np.isfinite(mean), [False, True, True])
    np.testing.assert_array_equal(np.isfinite(variance), [False, True, True])

    def total(x):
        return jnp.sum(batch_norm(x, scale, bias, relu=relu, implementation=implementation)[0])

    assert not np.isfinite(jax.grad(total)(x)[..., 0]).all()


def test_normalized_is_flaxs_with_running_averages():
    x, scale, bias = map(jnp.float32, drawn((2, 4, 4, 3)))
    mean, variance = jnp.float32([0.5, 0.7, -0.1]), jnp.float32([1.0, 2.0, 0.5])
    layer = nn.BatchNorm(use_running_average=True, epsilon=1e-3)
    variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": {"mean": mean, "var": variance}}
    expected = layer.apply(variables, x)
    for relu, wanted in ((False, expected), (True, nn.relu(expected))):
        output = normalized(x, mean, variance, scale, bias, epsilon=1e-3, relu=relu)
        np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-6)


def test_float16_is_xlas_alone(onednn):
    x, scale, bias = drawn((2, 4, 4, 3))
    arrays = jnp.float16(x), jnp.float32(scale), jnp.float32(bias)
    assert batch_norm(*arrays)[0].dtype == jnp.float16
    with pytest.raises(TypeError, match="expected float32 or bfloat16, got float16"):
        batch_norm(*arrays, implementation="onednn")


@pytest.mark.parametrize("shapes", [((2, 4, 4, 3), (4,), (3,)), ((2, 4, 4, 3), (3,), (1,)), ((), (3,), (3,))])
def test_what_does_not_fit_is_refused(shapes, implementation):
    said = f"scale {shapes[1]} and bias {shapes[2]} do not fit the channels of {shapes[0]}"
    with pytest.raises(ValueError, match=re.escape(said)):
        batch_norm(*map(jnp.zeros, shapes), implementation=implementation)
