"""What every registered network promises."""

import inspect
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.models import create_model, model_class, model_cost, model_names

pytestmark = pytest.mark.usefixtures("unoptimised")

NARROW = {"widths": (8, 8, 8, 8)}


def initialise(model):
    return jax.jit(partial(model.init, train=False))(jax.random.key(1), jnp.zeros((1, 48, 48, 1)))


def apply_in_training(model, variables, images, seed):
    rngs = {"dropout": jax.random.key(seed)}
    return model.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])


@pytest.mark.parametrize("name", model_names())
def test_docstring_gives_the_true_cost(name):
    docstring = " ".join((inspect.getdoc(model_class(name)) or "").split())
    stated = re.search(r"([\d,]+) parameters, ([\d.]+) M multiply-adds for a 48x48 image", docstring)
    assert stated, f"{name}: the docstring states no cost"
    cost = model_cost(create_model(name))
    assert stated[1] == f"{cost.parameters:,}"
    assert stated[2] == f"{cost.multiply_adds / 1e6:.1f}"


@pytest.mark.parametrize("name", model_names())
def test_evaluation_treats_each_image_alone(name):
    model = create_model(name, **NARROW)
    variables = initialise(model)
    images = jax.random.normal(jax.random.key(0), (3, 48, 48, 1))
    evaluate = jax.jit(partial(model.apply, train=False))
    np.testing.assert_allclose(evaluate(variables, images)[1:2], evaluate(variables, images[1:2]), atol=1e-5)


@pytest.mark.parametrize("name", model_names())
def test_training_drops_out_and_keeps_running_statistics(name):
    model = create_model(name, dropout=0.5, **NARROW)
    variables = initialise(model)
    images = jax.random.normal(jax.random.key(0), (3, 48, 48, 1))
    train = jax.jit(partial(apply_in_training, model))
    first, updated = train(variables, images, 0)
    second, _ = train(variables, images, 1)
    assert np.abs(first - second).max() > 1e-3
    moved = jax.tree.map(lambda old, new: np.abs(old - new).max() > 0, variables["batch_stats"], updated["batch_stats"])
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize("name", model_names())
def test_every_parameter_gets_a_gradient(name):
    model = create_model(name, dropout=0.0, **NARROW)
    variables = initialise(model)
    images = jax.random.normal(jax.random.key(0), (4, 48, 48, 1))

    def loss(params):
        logits, _ = apply_in_training(model, variables | {"params": params}, images, 0)
        return -jnp.mean(jax.nn.log_softmax(logits)[:, 0])

    for path, gradient in jax.tree.leaves_with_path(jax.jit(jax.grad(loss))(variables["params"])):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", model_names())
def test_logits_start_small(name):
    """Variance is kept through the layers: the first loss is near log 7, whatever the depth."""
    model = create_model(name)
    images = jax.random.normal(jax.random.key(0), (4, 48, 48, 1))
    logits, _ = jax.jit(partial(apply_in_training, model))(initialise(model), images, 0)
    assert 0.01 < np.std(logits) < 3


@pytest.mark.parametrize("name", model_names())
def test_parameters_are_the_same_with_every_implementation(name, onednn):
    """So that a checkpoint or a model file of one loads in the other."""
    trees = [
        jax.eval_shape(
            partial(create_model(name, ops=implementation).init, train=False),
            jax.random.key(1),
            jnp.zeros((1, 48, 48, 1)),
        )
        for implementation in ("xla", "onednn")
    ]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("name", model_names())
def test_onednn_gives_what_xla_gives(name, onednn):
    """From the same weights: logits in training and without, running statistics, and every gradient."""
    images = jax.random.normal(jax.random.key(0), (4, 48, 48, 1))
    variables = initialise(create_model(name, **NARROW))
    results = []
    for implementation in ("xla", "onednn"):
        model = create_model(name, ops=implementation, dropout=0.1, **NARROW)

        def loss(params, model=model):
            logits, updated = apply_in_training(model, variables | {"params": params}, images, 0)
            return -jnp.mean(jax.nn.log_softmax(logits)[:, 0]), (logits, updated)

        gradients, aux = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
        results.append((gradients, aux, jax.jit(partial(model.apply, train=False))(variables, images)))
    for (path, wanted), got in zip(jax.tree.leaves_with_path(results[0]), jax.tree.leaves(results[1]), strict=True):
        largest = np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, atol=1e-4 * largest, err_msg=jax.tree_util.keystr(path))
