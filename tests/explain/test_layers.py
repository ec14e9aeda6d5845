import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from femo_jax.explain.layers import activations_and_gradients, find_layers
from femo_jax.models import create_model, model_names

IMAGES = jax.ShapeDtypeStruct((2, 48, 48, 1), np.float32)

SMALL = {"femonet": {"widths": (4, 4, 6, 6)}, "simple_cnn": {"widths": (4, 4, 6, 6), "dense": 8}}

HEIGHTS = {
    "femonet": [24, 12, 6, 3],
    "mini_xception": [46, 44, 22, 11, 6, 3],
    "simple_cnn": [48, 24, 12, 6, 3],
}


def as_function(name, **options):
    """A network with random weights as a pytree of a function of images."""
    model = create_model(name, **options)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.uniform(-0.2, 0.4, leaf.shape).astype(np.float32) ** 2, shapes)
    return Partial(lambda variables, images: model.apply(variables, images, train=False), variables)


@pytest.mark.parametrize("name", HEIGHTS)
def test_the_layers_of_every_network(name):
    assert name in model_names()
    layers = find_layers(as_function(name, **SMALL.get(name, {})), IMAGES)
    assert layers
    heights = [layer.height for layer in layers]
    assert heights == sorted(set(heights), reverse=True)
    assert all(layer.height == layer.width for layer in layers)
    assert heights == HEIGHTS[name]


def test_the_sum_of_a_residual_block_is_a_layer_and_its_inside_is_not():
    def network(images):
        x = jnp.tanh(images)
        branch = jnp.pad(jnp.sin(x), ((0, 0), (1, 1), (1, 1), (0, 0)))  # 50x50, gone around by x
        x = jnp.cos(branch[:, 1:-1, 1:-1]) + x
        return (x[:, ::4, ::4] * 3).mean(axis=(1, 2))

    assert [layer.height for layer in find_layers(network, IMAGES)] == [48, 12]
    images = np.random.default_rng(0).normal(size=IMAGES.shape).astype(np.float32)
    last_of_48, _ = find_layers(network, images)
    activations, _ = activations_and_gradients(network, images, 0, last_of_48)
    np.testing.assert_allclose(activations, np.cos(np.sin(np.tanh(images))) + np.tanh(images), atol=1e-5)


def test_a_map_that_the_images_go_around_is_no_layer():
    assert not find_layers(lambda images: jnp.tanh(images).mean(axis=(1, 2)) + images.mean(axis=(1, 2)), IMAGES)


def test_activations_and_gradients_of_known_ones():
    def network(images):
        late = jnp.full((), 0.25) * 2  # known before the layer, used behind it
        x = jnp.concatenate([images * 2, images * 3], axis=-1)
        x = jnp.square(x)
        weights = jnp.array([[1.0, 10.0], [2.0, 20.0]])
        return x.sum(axis=(1, 2)) @ weights * late

    images = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype(np.float32)
    (layer,) = find_layers(network, images)
    assert (layer.height, layer.width, layer.channels) == (6, 6, 2)
    activations, gradients = jax.jit(activations_and_gradients, static_argnums=(0, 3))(network, images, 1, layer)
    np.testing.assert_allclose(activations, np.concatenate([images * 2, images * 3], -1) ** 2, rtol=1e-5)
    np.testing.assert_allclose(gradients, np.broadcast_to([5.0, 10.0], (2, 6, 6, 2)), rtol=1e-5)
