from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.models.layers import BatchNorm, Conv, global_mean, space_to_depth2


@pytest.fixture
def images() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (3, 9, 8, 6)) + 0.5


@pytest.mark.parametrize(
    "options",
    [{}, {"strides": 2}, {"padding": "VALID", "use_bias": True}, {"groups": 3, "strides": 2, "use_bias": True}],
)
def test_conv_is_flaxs_with_the_same_parameters(options, implementation, images):
    flax_options = {"use_bias": False, "feature_group_count": options.get("groups", 1)} | options
    flax_options.pop("groups", None)
    ours, flaxs = Conv(9, ops=implementation, **options), nn.Conv(9, (3, 3), **flax_options)
    variables = ours.init(jax.random.key(1), images)
    expected = flaxs.init(jax.random.key(1), images)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)  # the same names and first values
    output, wanted = ours.apply(variables, images), flaxs.apply(variables, images)
    np.testing.assert_allclose(output, wanted, atol=1e-5 * np.abs(wanted).max())


def test_conv_adds_a_shift_and_cuts_at_0(implementation, images):
    shift = jnp.linspace(-1, 1, 8)
    for use_bias in (False, True):
        layer = Conv(8, use_bias=use_bias, ops=implementation)
        variables = layer.init(jax.random.key(1), images)
        variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)
        plain = layer.apply(variables, images)
        np.testing.assert_allclose(layer.apply(variables, images, shift=shift), plain + shift, atol=1e-5)
        both = layer.apply(variables, images, shift=shift, relu=True)
        np.testing.assert_allclose(both, nn.relu(plain + shift), atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_bfloat16_keeps_parameters_and_statistics_in_float32(dtype, implementation, images):
    class Both(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = Conv(4, dtype=dtype, ops=implementation)(x)
            return BatchNorm(dtype=dtype, ops=implementation)(x, train=True)

    variables = Both().init(jax.random.key(0), images)
    output, updated = Both().apply(variables, images, mutable=["batch_stats"])
    assert output.dtype == dtype
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, updated))} == {jnp.dtype("float32")}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("relu", [False, True])
def test_batch_norm_is_flaxs_with_the_same_parameters_and_running_averages(relu, dtype, implementation, images):
    ours = BatchNorm(relu=relu, momentum=0.8, epsilon=1e-3, dtype=dtype, ops=implementation)
    flaxs = nn.BatchNorm(momentum=0.8, epsilon=1e-3, dtype=dtype)
    variables = ours.init(jax.random.key(0), images, train=False)
    expected = flaxs.init(jax.random.key(0), images, use_running_average=True)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
    for step in range(3):
        x = images.astype(dtype) * (step + 1)  # as a convolution of this dtype gives it
        output, updated = ours.apply(variables, x, train=True, mutable=["batch_stats"])
        wanted, wanted_updated = flaxs.apply(variables, x, use_running_average=False, mutable=["batch_stats"])
        wanted = nn.relu(wanted) if relu else wanted
        np.testing.assert_allclose(
            np.float32(output), np.float32(wanted), atol=tolerance * float(jnp.abs(wanted).max())
        )
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), updated, wanted_updated)
        variables = variables | updated
    output = ours.apply(variables, images, train=False)
    wanted = flaxs.apply(variables, images, use_running_average=True)
    wanted = nn.relu(wanted) if relu else wanted
    np.testing.assert_allclose(np.float32(output), np.float32(wanted), atol=tolerance * float(jnp.abs(wanted).max()))


def test_first_weights_do_not_move_the_running_averages(implementation, images):
    layer = BatchNorm(ops=implementation)
    variables = layer.init(jax.random.key(0), images, train=True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(variables["batch_stats"]["var"], 1)


def test_space_to_depth_moves_each_block_into_channels():
    x = jnp.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    moved = space_to_depth2(x)
    assert moved.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(moved[1, 1, 2], x[1, 2:4, 4:6].reshape(-1))


def test_global_mean():
    x = jnp.arange(24.0).reshape(2, 2, 3, 2)
    np.testing.assert_allclose(global_mean(x), np.mean(np.asarray(x), axis=(1, 2)))
