import flax.linen as nn
import jax.numpy as jnp
import pytest

from femo_jax.models.cost import Cost, model_cost
from femo_jax.models.mini_xception import DepthwiseConv3


class EachKind(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(4, (3, 3), strides=2)(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = DepthwiseConv3()(x)
        x = nn.Conv(6, (1, 1), use_bias=False)(x)
        x = nn.Conv(6, (3, 3), feature_group_count=2, use_bias=False, padding="VALID")(x)
        return nn.Dense(5)(x.mean((1, 2)))


def test_counts_by_hand():
    assert model_cost(EachKind(), image_size=8) == Cost(
        parameters=(9 * 1 * 4 + 4) + (4 + 4) + 9 * 4 + 4 * 6 + 9 * 3 * 6 + (6 * 5 + 5),
        multiply_adds=4 * 4 * (9 * 1 * 4 + 9 * 4 + 4 * 6) + 2 * 2 * (9 * 3 * 6) + 6 * 5,
    )


def test_a_nested_layer_counts_once():
    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Sequential([nn.Dense(3, use_bias=False), nn.relu])(x)

    assert model_cost(Outer(), image_size=2) == Cost(parameters=3, multiply_adds=4 * 3)


def test_a_weight_that_is_no_kernel_is_not_missed_silently():
    class Bare(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return x @ self.param("weight", nn.initializers.ones, (1, 3), jnp.float32)

    with pytest.raises(ValueError, match="Bare: not every weight"):
        model_cost(Bare())
