"""A run small enough to train many times."""

import jax
import pytest

from femo_jax.models import create_model
from femo_jax.train.augment import Augmentation
from femo_jax.train.config import TrainConfig
from femo_jax.train.optimizer import create_optimizer, create_schedule
from femo_jax.train.state import create_train_state


@pytest.fixture(scope="module", autouse=True)
def compiles_fast(unoptimised):
    """The networks of these tests are small."""


@pytest.fixture(scope="session")
def tiny_config():
    """Three epochs of six steps of a network with a few hundred parameters."""
    return TrainConfig(
        model="femonet",
        model_options={"widths": (6, 8), "blocks": 1, "dropout": 0.1},
        epochs=3,
        batch_size=16,
        eval_batch_size=16,
        learning_rate=0.05,
        warmup_epochs=0.0,
        schedule="constant",
        ema_decay=0.9,
        augmentation=Augmentation(flip=True, rotation=5.0, translation=0.5, erasing=0.2),
    )


@pytest.fixture(scope="session")
def new_state():
    """A function that makes a state at step 0 for a configuration.

    The same configuration gives the same state: a function that was compiled for it is not compiled again.
    """
    made = {}

    def make(config, seed=0):
        if (key := (repr(config), seed)) not in made:
            model = create_model(config.model, **config.model_options)
            tx = create_optimizer(config, create_schedule(config, steps_per_epoch=6))
            made[key] = create_train_state(jax.random.key(seed), model, tx)
        return made[key]

    return make
