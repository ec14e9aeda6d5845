import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.errors import ConfigError
from femo_jax.models.layers import space_to_depth2
from femo_jax.preprocess import normalize
from femo_jax.train.config import TrainConfig
from femo_jax.train.state import FIRST_KERNEL, NEVER, Metrics, whiten_first_layer, whitening_kernel


def batch(losses, correct, mask, weights=None):
    weights = np.ones(len(losses)) if weights is None else weights
    return Metrics.of_images(jnp.array(losses), jnp.array(weights), jnp.array(correct), jnp.array(mask))


def test_unequal_batches_average_over_images_not_over_batches():
    whole = batch([1.0, 2.0, 3.0], [True, True, False], [True] * 3).merge(batch([10.0], [False], [True]))
    means = whole.compute()
    assert means["loss"] == pytest.approx(4.0)
    assert means["accuracy"] == pytest.approx(0.5)


def test_masked_images_do_not_count():
    means = batch([1.0, 99.0], [True, False], [True, False]).compute()
    assert means == pytest.approx({"loss": 1.0, "accuracy": 1.0})


def test_weights_count_in_the_loss_and_not_in_the_accuracy():
    means = batch([1.0, 4.0], [True, False], [True, True], [3.0, 1.0]).compute()
    assert means == pytest.approx({"loss": 1.75, "accuracy": 0.5})


def test_the_first_bad_step_survives_merging():
    one, two = (Metrics.zeros().replace(first_bad_step=jnp.asarray(step)) for step in (7, 12))
    assert int(two.merge(one).merge(Metrics.zeros()).first_bad_step) == 7
    assert int(Metrics.zeros().merge(Metrics.zeros()).first_bad_step) == NEVER


def test_norms_average_over_steps():
    step = batch([1.0], [True], [True]).replace(
        gradient_norm=jnp.asarray(2.0), update_norm=jnp.asarray(0.5), steps=jnp.asarray(1)
    )
    means = step.merge(step.replace(gradient_norm=jnp.asarray(4.0))).compute()
    assert means["gradient_norm"] == pytest.approx(3.0)
    assert means["update_norm"] == pytest.approx(0.5)


@pytest.fixture
def smooth_images():
    """Noise of which neighbouring pixels are alike, as in images."""
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


def test_outputs_beyond_the_components_are_unchanged(smooth_images):
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


def test_whitening_is_refused_for_other_networks():
    with pytest.raises(ConfigError, match="whitening_init is for femonet, not simple_cnn"):
        dataclasses.replace(TrainConfig(whitening_init=True), model="simple_cnn")
