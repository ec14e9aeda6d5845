import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.compilation import HASTY, PLAIN, compile_for_cpu
from femo_jax.models import create_model


def doubled(x):
    return 2.0 * x


@pytest.mark.parametrize(
    "options", [PLAIN, HASTY, {"xla_of_another_year": 3, **HASTY}], ids=["plain", "hasty", "unknown"]
)
def test_a_program_is_compiled_whatever_options_this_xla_knows(options):
    compiled = compile_for_cpu(jax.jit(doubled).lower(jnp.ones(3)), options)
    assert compiled(jnp.arange(3.0)).tolist() == [0.0, 2.0, 4.0]


def test_another_error_is_not_hidden():
    with pytest.raises(jax.errors.JaxRuntimeError):
        compile_for_cpu(jax.jit(doubled).lower(jnp.ones(3)), {"xla_backend_optimization_level": "high"})


def test_initial_weights_are_the_same_numbers():
    network = create_model("femonet", widths=(6, 8))
    arguments = jax.random.key(3), jnp.zeros((1, 48, 48, 1))
    initialise = jax.jit(lambda key, images: network.init(key, images, train=False))
    usual = initialise.lower(*arguments).compile(compiler_options={"xla_backend_optimization_level": 3})
    hasty = compile_for_cpu(initialise.lower(*arguments), HASTY)
    jax.tree.map(np.testing.assert_array_equal, usual(*arguments), hasty(*arguments))
