"""Narrow networks with random weights, and faces."""

import jax
import numpy as np
import pytest

from femo_jax.data.drawn import draw_face
from femo_jax.emotions import Emotion
from femo_jax.model_file import LoadedModel, logits_function
from femo_jax.models import create_model

NARROW = {
    "femonet": {"widths": [4, 8, 8, 8]},
    "mini_xception": {"stem_width": 4, "widths": [4, 8, 8, 8]},
    "simple_cnn": {"widths": [4, 4, 4, 4], "dense": 8},
}


def random_network(name: str, **options) -> LoadedModel:
    """A network with random weights and statistics, and a temperature; its logits have a spread of about 1."""
    network = create_model(name, **options)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False))
    rng = np.random.default_rng(0)

    def draw(leaf):
        if len(leaf.shape) == 1:
            return rng.uniform(0.5, 1.0, leaf.shape).astype(np.float32)
        return rng.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape).astype(np.float32)

    return LoadedModel(name, options, jax.tree.map(draw, shapes), temperature=1.3)


@pytest.fixture(scope="session", params=NARROW)
def network(request) -> LoadedModel:
    """Each of the shipped networks, narrow."""
    return random_network(request.param, **NARROW[request.param])


@pytest.fixture(scope="session")
def drawn_faces() -> np.ndarray:
    """`[21, 48, 48] uint8`, three of each class."""
    rng = np.random.default_rng(0)
    return np.stack([draw_face(emotion, rng) for emotion in Emotion for _ in range(3)]).reshape(-1, 48, 48)


def log_probabilities(loaded: LoadedModel, faces: np.ndarray) -> np.ndarray:
    """What the network gives as femo trains and evaluates it, not folded."""
    return np.asarray(jax.nn.log_softmax(jax.jit(logits_function(loaded))(faces[..., None])))


@pytest.fixture(scope="session")
def expected(network, drawn_faces) -> np.ndarray:
    """`[21, 7] float32`: log-probabilities of the drawn faces by the network."""
    return log_probabilities(network, drawn_faces)
