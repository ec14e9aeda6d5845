import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.errors import ConfigError, DivergenceError
from femo_jax.evaluate.predict import predict_probabilities


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 48, 48, 1), np.uint8)


def some_logits(inputs: jax.Array) -> jax.Array:
    """Depends on the image, and on its left half more than on its right."""
    weights = jnp.linspace(1.0, 0.0, 48)[None, None, :, None]
    return (inputs * weights).mean(axis=(1, 2, 3))[:, None] * jnp.arange(7.0) * 9


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 64])
def test_each_image_counts_once_in_order(images, batch_size):
    probabilities = predict_probabilities(some_logits, images, batch_size)
    assert probabilities.shape == (10, 7) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, softmax(np.asarray(some_logits(images / 255.0))), rtol=1e-5)


def test_padding_does_not_reach_the_images(images):
    def mean_of_batch(inputs):  # a network that wrongly looked at its neighbours would show it here
        assert inputs.shape[0] == 4
        return some_logits(inputs)

    np.testing.assert_allclose(
        predict_probabilities(mean_of_batch, images, 4)[8:],
        predict_probabilities(some_logits, images[8:], 4),
        rtol=1e-6,
    )


def test_compiled_once(images):
    shapes = []

    def counted(inputs):
        shapes.append(inputs.shape)
        return some_logits(inputs)

    predict_probabilities(counted, images, 4, tta="ten_crop")
    assert shapes == [(4, 48, 48, 1)]


def test_views_average_probabilities_not_logits(images):
    mirrored = images[:, :, ::-1]
    expected = (predict_probabilities(some_logits, images) + predict_probabilities(some_logits, mirrored)) / 2
    np.testing.assert_allclose(predict_probabilities(some_logits, images, tta="flip"), expected, rtol=1e-5)


def test_no_images():
    assert predict_probabilities(some_logits, np.zeros((0, 48, 48, 1), np.uint8)).shape == (0, 7)


def test_unknown_views(images):
    with pytest.raises(ConfigError, match="unknown test-time augmentation 'all'"):
        predict_probabilities(some_logits, images, tta="all")


def test_a_network_that_gives_nan(images):
    with pytest.raises(DivergenceError, match="NaN or infinity for 10 of 10 images"):
        predict_probabilities(lambda inputs: some_logits(inputs) * jnp.nan, images)
