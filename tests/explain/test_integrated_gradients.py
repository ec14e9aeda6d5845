import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from femo_jax.explain.integrated_gradients import integrated_gradients
from femo_jax.models import create_model


def test_a_linear_network_exactly(bright):
    weights = np.random.default_rng(1).normal(size=(256, 3)).astype(np.float32)
    network = Partial(lambda weights, images: images.reshape(len(images), -1) @ weights + 7, weights)
    baseline = np.full_like(bright, 0.25)
    pixels, logit, baseline_logit, gap = integrated_gradients(network, bright, baseline, 2, steps=1)
    np.testing.assert_allclose(pixels, weights[:, 2].reshape(16, 16) * (bright - baseline)[..., 0], rtol=1e-4)
    np.testing.assert_allclose(logit, network(bright[None])[0, 2], rtol=1e-5)
    np.testing.assert_allclose(baseline_logit, network(baseline[None])[0, 2], rtol=1e-5)
    assert abs(gap) < 1e-4


@pytest.mark.parametrize("steps", [1, 31, 33, 64])
def test_any_number_of_steps_weighs_the_path_evenly(bright, steps):
    # The middles of equal parts give the integral of a gradient that is linear along the path, and only they do.
    result = integrated_gradients(
        Partial(lambda images: jnp.square(images).sum(axis=(1, 2))), bright, np.zeros_like(bright), 0, steps=steps
    )
    np.testing.assert_allclose(result.pixels, bright[..., 0] ** 2, rtol=1e-4)
    assert abs(result.gap) < 1e-3


def test_a_corner_alone_has_what_a_corner_alone_decides(corner, bright):
    pixels = np.array(integrated_gradients(corner, bright, np.full_like(bright, -0.3), 1, steps=50).pixels)
    assert (pixels[:6, :10] > 0).all()
    pixels[:6, :10] = 0
    assert not pixels.any()


def test_sums_come_closer_to_the_difference_of_the_logits_with_more_steps():
    network = create_model("femonet", widths=(6, 6))
    images = np.random.default_rng(0).normal(size=(1, 12, 12, 1)).astype(np.float32)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))
    rng = np.random.default_rng(1)
    variables = jax.tree.map(
        # Weights of both signs, so that ReLUs switch on the way; scales and variances about 1.
        lambda leaf: rng.normal(0 if leaf.ndim > 1 else 1, 0.3, leaf.shape).astype(np.float32),
        shapes,
    )
    logits = Partial(lambda variables, images: network.apply(variables, images, train=False), variables)
    gaps = []
    for steps in (1, 512):
        _, logit, baseline_logit, gap = integrated_gradients(logits, images[0], np.zeros_like(images[0]), 3, steps)
        gaps.append(abs(gap) / abs(logit - baseline_logit))
    assert gaps[1] < 0.01 < 0.05 < gaps[0]
