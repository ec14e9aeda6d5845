"""All sides of the benchmark of training steps compute the same: parameters, forward pass, one whole step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from train_step_jax import create_network, create_step
from train_step_setting import batch

from femo_jax.models import model_cost

pytestmark = pytest.mark.usefixtures("unoptimised")

PARAMETERS = {"femonet": 2_640_775, "vgg": 1_174_439}
NETWORKS = tuple(PARAMETERS)
IMAGES = 8


def images_and_labels():
    inputs, labels = batch()
    return inputs[:IMAGES], labels[:IMAGES]


def femo_layers(params):
    """Kernels and BatchNorm's scales and biases in the order of the layers, and the head's two."""
    layers = [
        (
            params[f"Conv_{number}"]["kernel"],
            params[f"BatchNorm_{number}"]["scale"],
            params[f"BatchNorm_{number}"]["bias"],
        )
        for number in range(8)
    ]
    head = params.get("head") or params["Dense_0"]
    return [
        *map(np.asarray, [array for layer in layers for array in layer]),
        *map(np.asarray, (head["kernel"], head["bias"])),
    ]


def stepped_femo(network):
    """Weights before and after one step without dropout, as lists, with the step's loss."""
    state, step = create_step(create_network(network, "xla", jnp.float32, dropout=0.0))
    before = femo_layers(state[1])
    state, loss = step(state, *map(jnp.asarray, images_and_labels()))
    return before, femo_layers(state[1]), float(loss)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("layers", ["xla", "stock"])
def test_jax_networks_cost_the_same(network, layers):
    cost = model_cost(create_network(network, layers, jnp.float32))
    assert cost.parameters == PARAMETERS[network]
    assert cost.multiply_adds == pytest.approx({"femonet": 66.7e6, "vgg": 117.5e6}[network], rel=1e-3)


@pytest.mark.parametrize("network", NETWORKS)
def test_stock_layers_compute_what_femo_does(network):
    images, _ = images_and_labels()
    femo, stock = (create_network(network, layers, jnp.float32, dropout=0.0) for layers in ("xla", "stock"))
    variables = jax.jit(femo.init, static_argnames="train")(jax.random.key(0), images, train=False)
    params = dict(variables["params"])
    head = params.pop("head", None) or params.pop("Dense_0")
    theirs = {**variables, "params": {**params, "Dense_0": head}}
    ours, stocks = (
        jax.jit(lambda given, of=of: of.apply(given, images, train=True, mutable=["batch_stats"])[0])(given)
        for of, given in ((femo, variables), (stock, theirs))
    )
    np.testing.assert_allclose(stocks, ours, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("network", NETWORKS)
def test_torch_takes_the_same_step(network):
    torch = pytest.importorskip("torch")
    import train_step_torch

    before, after, loss = stepped_femo(network)
    model = train_step_torch.NETWORKS[network](dropout=0.0).to(memory_format=torch.channels_last)
    parameters = list(model.parameters())
    assert sum(parameter.numel() for parameter in parameters) == PARAMETERS[network]

    def as_torch(array):
        return torch.tensor(array.transpose({4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[array.ndim]).copy())

    with torch.no_grad():
        for parameter, array in zip(parameters, before, strict=True):
            parameter.copy_(as_torch(array))
    inputs, labels = images_and_labels()
    images = torch.from_numpy(inputs).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    step = train_step_torch.create_step(model, autocast=False)
    assert step(images, torch.from_numpy(labels).long()).item() == pytest.approx(loss, rel=1e-4)
    for parameter, old, new in zip(parameters, before, after, strict=True):
        moved = parameter.detach() - as_torch(old)
        expected = as_torch(new - old)
        assert torch.linalg.norm(moved - expected) < 0.02 * torch.linalg.norm(expected)


@pytest.mark.parametrize("network", NETWORKS)
def test_keras_takes_the_same_step(network):
    pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")
    import train_step_keras

    before, after, loss = stepped_femo(network)
    model = train_step_keras.create_network(network, dropout=0.0)
    variables = model.trainable_variables
    assert [tuple(variable.shape) for variable in variables] == [array.shape for array in before]
    for variable, array in zip(variables, before, strict=True):
        variable.assign(array)
    step = train_step_keras.create_step(model, jit_compile=False)
    assert float(step(*map(tf.constant, images_and_labels()))) == pytest.approx(loss, rel=1e-4)
    for variable, old, new in zip(variables, before, after, strict=True):
        moved, expected = np.asarray(variable) - old, new - old
        assert np.linalg.norm(moved - expected) < 0.02 * np.linalg.norm(expected)
