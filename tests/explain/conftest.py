"""Networks of which is known what they look at."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.tree_util import Partial


class Corner(nn.Module):
    """A network that sees the upper left corner alone: class 1 is what is bright there, class 0 what is dark.

    Its one layer `[b, 8, 8, 2]` has cells of 2x2 pixels and is 0 outside 3 rows and 5 columns of them.
    """

    @nn.compact
    def __call__(self, images, *, train):
        means = nn.avg_pool(images, (2, 2), (2, 2))
        cells = nn.relu(jnp.concatenate([-means, means], axis=-1))
        inside = np.zeros((8, 8, 1), np.float32)
        inside[:3, :5] = 1
        return (cells * inside).mean(axis=(1, 2))


@pytest.fixture(scope="session")
def corner():
    """`Corner` as a function of images `[b, 16, 16, 1]`."""
    return Partial(lambda images: Corner().apply({}, images, train=False))


@pytest.fixture
def bright():
    """An image `[16, 16, 1]` that is bright all over, and nowhere the same."""
    return np.random.default_rng(0).uniform(0.5, 1.5, (16, 16, 1)).astype(np.float32)
