import dataclasses
from typing import Any

import jax.numpy as jnp
import pytest
from flax import linen as nn

from femo_jax.errors import ConfigError
from femo_jax.models import register
from femo_jax.train.preflight import check_network


@register("with_a_function_as_option")
class WithAFunctionAsOption(nn.Module):
    num_classes: int = 7
    dtype: Any = None
    ops: str = "xla"
    activation: Any = nn.relu

    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(self.num_classes)(self.activation(x.mean((1, 2))))


@register("with_a_cache")
class WithACache(nn.Module):
    num_classes: int = 7
    dtype: Any = None
    ops: str = "xla"

    @nn.compact
    def __call__(self, x, *, train):
        self.variable("cache", "last", jnp.zeros, (1,))
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 10**6}, "more than 30 layers; set FEMO_MAX_LAYERS to raise the limit"),
        ({"widths": (10**6, 10**6)}, "MiB, and the limit is 64 MiB; set FEMO_MAX_MEMORY_MIB to raise it"),
    ],
)
def test_a_network_that_is_too_large_is_refused(options, message, tiny_config, monkeypatch):
    monkeypatch.setenv("FEMO_MAX_LAYERS", "30")
    monkeypatch.setenv("FEMO_MAX_MEMORY_MIB", "64")
    check_network(tiny_config, 7)
    with pytest.raises(ConfigError, match=message):
        check_network(dataclasses.replace(tiny_config, model_options=options), 7)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("with_a_function_as_option", "with_a_function_as_option cannot be exported .* defaults that JSON can store"),
        ("with_a_cache", "with_a_cache has variables in cache"),
    ],
)
def test_a_network_of_the_user_fails_before_anything_is_trained(model, message, tiny_config):
    config = dataclasses.replace(tiny_config, model=model, model_options={})
    with pytest.raises(ConfigError, match=message):
        check_network(config, 7)
