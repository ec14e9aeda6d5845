from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.models import create_model

pytestmark = pytest.mark.usefixtures("unoptimised")

NARROW = {"widths": (6, 8), "dropout": 0.0}
IMAGES = jax.random.normal(jax.random.key(0), (4, 48, 48, 1))


def applied(variables, seed=0, **options):
    """Logits in training."""
    model = create_model("femonet", **NARROW, **options)
    apply = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))
    return apply(variables, IMAGES, rngs={"dropout": jax.random.key(seed)})[0]


def initial(**options):
    model = create_model("femonet", **NARROW, **options)
    return jax.jit(partial(model.init, train=False))(jax.random.key(1), IMAGES)


def test_residual_branches_begin_as_nothing_where_asked():
    """What stands in such a branch's convolution does not matter at the start."""
    variables = initial(identity_start=True)
    branch = variables["params"]["Conv_1"]["kernel"]
    assert branch.shape == (3, 3, 6, 6)
    other = jax.tree.map(lambda leaf: leaf, variables)
    other["params"]["Conv_1"]["kernel"] = branch + 1.0
    np.testing.assert_array_equal(applied(variables, identity_start=True), applied(other, identity_start=True))
    assert not np.allclose(applied(initial()), applied(initial() | {"params": other["params"]}))


def test_stochastic_depth_drops_branches_in_training_alone():
    variables = initial(drop_path=0.5)
    first, second = (applied(variables, seed, drop_path=0.5) for seed in (0, 1))
    assert np.abs(first - second).max() > 1e-3
    plain, dropping = (create_model("femonet", **NARROW, drop_path=rate) for rate in (0.0, 0.5))
    np.testing.assert_array_equal(
        plain.apply(variables, IMAGES, train=False), dropping.apply(variables, IMAGES, train=False)
    )


@pytest.mark.parametrize("size", [48, 40, 32, 24])
def test_it_takes_images_of_smaller_sizes(size):
    model = create_model("femonet")
    logits = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, size, size, 1)), train=False)
    )
    assert logits[0].shape == (2, 7)
