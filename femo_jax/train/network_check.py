"""Whether a configuration's network can be built and trained, found out without computing anything."""

import jax
import jax.numpy as jnp

from femo_jax.errors import ConfigError
from femo_jax.models import create_model
from femo_jax.preprocess import IMAGE_SIZE
from femo_jax.train.config import TrainConfig


def check_network(config: TrainConfig) -> None:
    """Makes sure that the network can be built, and that it takes the smaller pictures of early epochs, if any.

    Raises:
      ConfigError: one or the other cannot be.
    """
    network = create_model(config.model, **config.model_options)
    try:
        variables = jax.eval_shape(lambda: network.init(jax.random.key(0), _picture(IMAGE_SIZE), train=False))
    # What comes of sizes that make no network depends on the network.
    except Exception as error:
        raise ConfigError(
            f"{config.model} cannot be built with these model_options ({type(error).__name__}: {error})."
            " `femo models` lists the networks"
        ) from error
    if not config.low_res_epochs:
        return
    try:
        jax.eval_shape(lambda given: network.apply(given, _picture(config.low_res_size), train=False), variables)
    except Exception as error:
        raise ConfigError(
            f"low_res_size is {config.low_res_size}, and {config.model} does not take pictures of that side"
            f" ({type(error).__name__}: {error}). Choose another, such as 32, or low_res_epochs 0"
        ) from error


def _picture(size: int) -> jax.Array:
    return jnp.zeros((1, size, size, 1))
