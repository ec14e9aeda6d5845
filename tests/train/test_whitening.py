import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.errors import ConfigError
from femo_jax.models.layers import space_to_depth2
from femo_jax.preprocess import normalize
from femo_jax.train.config import TrainConfig
from femo_jax.train.whitening import FIRST_KERNEL, whiten_first_layer, whitening_kernel


@pytest.fixture
def smooth_images():
    """Noise of which neighbouring pixels are alike, as in pictures."""
    noise = np.random.default_rng(0).normal(size=(64, 52, 52, 1))
    mean = sum(noise[:, i : i + 48, j : j + 48] for i in range(5) for j in range(5)) / 5
    return np.clip(128 + 50 * mean, 0, 255).astype(np.uint8)


def test_outputs_are_uncorrelated_and_of_unit_variance(smooth_images):
    kernel = whitening_kernel(jnp.zeros((3, 3, 4, 24)), smooth_images)
    x = space_to_depth2(normalize(jnp.asarray(smooth_images)))
    dimensions = ("NHWC", "HWIO", "NHWC")
    outputs = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=dimensions).reshape(-1, 24)
    covariance = outputs[:, :12].T @ outputs[:, :12] / len(outputs)
    np.testing.assert_allclose(covariance, np.eye(12), atol=0.05)
    np.testing.assert_allclose(outputs[:, 12:], -outputs[:, :12], atol=1e-4)


def test_outputs_beyond_the_components_stay(smooth_images):
    kernel = whitening_kernel(jnp.full((3, 3, 4, 80), 7.0), smooth_images)
    assert (kernel[..., 72:] == 7.0).all()
    assert not (kernel[..., :72] == 7.0).any()


def test_a_new_state_changes_in_its_first_kernel_alone(new_state, tiny_config, smooth_images):
    state = new_state(tiny_config)
    whitened = whiten_first_layer(state, smooth_images)
    changed = jax.tree_util.tree_map_with_path(lambda _, old, new: (old != new).any(), state.params, whitened.params)
    where = [path for path, differs in jax.tree_util.tree_leaves_with_path(changed) if differs]
    assert [tuple(key.key for key in path) for path in where] == [FIRST_KERNEL]
    module, name = FIRST_KERNEL
    np.testing.assert_array_equal(whitened.ema["params"][module][name], whitened.params[module][name])


def test_is_for_femonet():
    with pytest.raises(ConfigError, match="whitening_init is for femonet, not simple_cnn"):
        dataclasses.replace(TrainConfig(whitening_init=True), model="simple_cnn")
