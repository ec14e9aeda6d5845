import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from femo_jax.explain.grad_cam import grad_cam, layer_cam
from femo_jax.explain.layers import find_layers


def test_by_hand(bright):
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(3, 16, 16, 2)).astype(np.float32)
    network = Partial(
        lambda weights, images: jnp.einsum("bhwc,khwc->bk", jnp.square(images * jnp.array([1.0, 2.0])), weights),
        weights,
    )
    (layer,) = find_layers(network, bright[None])
    activations = (bright * [1.0, 2.0]) ** 2
    for target in range(3):
        by_mean = np.maximum(activations @ weights[target].mean(axis=(0, 1)), 0)
        np.testing.assert_allclose(grad_cam(network, bright[None], target, layer)[0], by_mean, rtol=1e-3, atol=1e-5)
        by_cell = (activations * np.maximum(weights[target], 0)).sum(axis=-1)
        np.testing.assert_allclose(layer_cam(network, bright[None], target, layer)[0], by_cell, rtol=1e-4)


@pytest.mark.parametrize("method", [grad_cam, layer_cam])
def test_a_network_that_sees_a_corner_alone_looks_there(corner, bright, method):
    (layer,) = find_layers(corner, bright[None])
    (cells,) = np.array(method(corner, bright[None], 1, layer))
    assert cells.shape == (8, 8)
    assert (cells[:3, :5] > 0).all()
    cells[:3, :5] = 0
    assert not cells.any()


def test_a_class_for_which_nothing_speaks(corner, bright):
    (layer,) = find_layers(corner, bright[None])
    assert not np.asarray(grad_cam(corner, bright[None], 0, layer)).any()
    assert np.asarray(grad_cam(corner, -bright[None], 0, layer)).any()


@pytest.mark.parametrize("target", [0, 1])
def test_evidence_against_a_class_is_left_out(corner, bright, target):
    opposite = Partial(lambda images: -corner(images))
    (layer,) = find_layers(opposite, bright[None])
    assert not np.asarray(grad_cam(opposite, bright[None], target, layer)).any()
