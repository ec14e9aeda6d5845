import jax
import jax.numpy as jnp

from femo_jax.models import SimpleCNN


def test_widths_and_convolutions_shape_the_blocks():
    model = SimpleCNN(widths=(4, 6), convolutions=(1, 2), dense=10)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 48, 48, 1)), train=False))["params"]
    kernels = [params[f"Conv_{index}"]["kernel"].shape for index in range(3)]
    assert kernels == [(3, 3, 1, 4), (3, 3, 4, 6), (3, 3, 6, 6)]
    assert params["Dense_0"]["kernel"].shape == (12 * 12 * 6, 10)
    assert params["head"]["kernel"].shape == (10, 7)
