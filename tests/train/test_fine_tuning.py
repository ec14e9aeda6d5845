import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.traverse_util import flatten_dict

from femo_jax.errors import ConfigError
from femo_jax.models import create_model
from femo_jax.train.config import TrainConfig
from femo_jax.train.fine_tuning import (
    apply_with_frozen_norms,
    frozen_norms,
    frozen_paths,
    head_path,
    learning_rate_multipliers,
)
from femo_jax.train.optimizer import create_optimizer, create_schedule
from femo_jax.train.preflight import check_network
from femo_jax.train.steps import train_step

PATHS = ("BatchNorm_0/bias", "BatchNorm_0/scale", "Conv_0/kernel", "Conv_1/kernel", "head/bias", "head/kernel")
TINY = {"widths": (4, 4), "blocks": 1, "dropout": 0.0}


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        ("", ()),
        ("Conv_0", ("Conv_0/kernel",)),
        ("Conv_*/kernel", ("Conv_0/kernel", "Conv_1/kernel")),
        ("*, !head", PATHS[:4]),
        ("Conv_[0-1],BatchNorm_0", PATHS[:4]),
    ],
)
def test_patterns_name_parameters_or_their_modules(freeze, expected):
    assert frozen_paths(PATHS, freeze) == expected


def test_unknown_pattern_names_the_closest_module():
    with pytest.raises(ConfigError, match=r"'conv_0' matches no parameter. Did you mean Conv_0\?.*BatchNorm_0, Conv_0"):
        frozen_paths(PATHS, "conv_0")
    with pytest.raises(ConfigError, match="all parameters are frozen"):
        frozen_paths(PATHS, "*")


def test_preflight_refuses_an_unknown_pattern():
    with pytest.raises(ConfigError, match=r"'heads' matches no parameter. Did you mean head\?"):
        check_network(TrainConfig(freeze="heads", model_options=TINY, batch_size=2), 7)


@pytest.mark.parametrize("name", ["femonet", "mini_xception", "simple_cnn"])
def test_the_head_is_the_last_layer_with_a_kernel(name):
    assert head_path(create_model(name)) == "head"


def test_learning_rates_fall_from_the_head_to_the_first_layer():
    config = TrainConfig(model_options=TINY, layer_lr_decay=0.5, head_lr_multiplier=3.0)
    factors = learning_rate_multipliers(create_model("femonet", **TINY), config)
    assert factors["head/kernel"] == factors["head/bias"] == 3.0
    convolutions = [factors[f"Conv_{number}/kernel"] for number in range(4)]
    assert convolutions == [1 / 16, 1 / 8, 1 / 4, 1 / 2]
    assert [factors[f"BatchNorm_{number}/scale"] for number in range(4)] == convolutions


def state_and_batch(new_state, config):
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 256, (8, 48, 48, 1), np.uint8),
        "label": np.arange(8, dtype=np.int32) % 7,
        "target": np.eye(7, dtype=np.float32)[np.arange(8) % 7],
        "index": np.arange(8, dtype=np.int32),
    }
    return new_state(config), batch


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_factors_scale_the_updates_of_every_optimizer(optimizer, new_state):
    plain = TrainConfig(model_options=TINY, optimizer=optimizer, clip_norm=1.0, warmup_epochs=0.0)
    state, _ = state_and_batch(new_state, plain)
    changed = dataclasses.replace(plain, layer_lr_decay=0.5, head_lr_multiplier=3.0)
    gradients = jax.tree.map(lambda array: jax.random.normal(jax.random.key(1), array.shape), state.params)
    one, other = (
        flatten_dict(tx.update(gradients, tx.init(state.params), state.params)[0], sep="/")
        for tx in (create_optimizer(config, lambda step: 0.1) for config in (plain, changed))
    )
    factors = learning_rate_multipliers(create_model("femonet", **TINY), changed)
    for name, update in one.items():
        np.testing.assert_allclose(other[name], factors[name] * update, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_frozen_weights_and_statistics_stay_bit_for_bit_and_the_others_change(optimizer, new_state):
    config = TrainConfig(
        model_options=TINY,
        optimizer=optimizer,
        freeze="Conv_[01],BatchNorm_[01],Conv_3",
        layer_lr_decay=0.9,
        batch_size=8,
        warmup_epochs=0.0,
    )
    state, batch = state_and_batch(new_state, config)
    network = create_model("femonet", **TINY)
    assert frozen_norms(network, config.freeze) == ("BatchNorm_0", "BatchNorm_1")
    state = state.replace(apply_fn=apply_with_frozen_norms(network, frozen_norms(network, config.freeze)))
    after = state
    for _ in range(2):
        after = jax.jit(partial(train_step, config=config))(after, batch, np.ones(7, np.float32), jax.random.key(0))
    for tree, now in ((state.variables, after.variables), (state.variables, after.ema)):
        before, now = (flatten_dict(each, sep="/") for each in (tree, now))
        same = {name for name in before if np.array_equal(before[name], now[name])}
        expected = {name for name in before if name.split("/")[1] in ("Conv_0", "Conv_1", "Conv_3")}
        expected |= {name for name in before if name.split("/")[1] in ("BatchNorm_0", "BatchNorm_1")}
        assert same == expected


class TorchLike(nn.Module):
    """A network with the BatchNorm of Flax."""

    @nn.compact
    def __call__(self, images, *, train):
        x = nn.BatchNorm(use_running_average=not train)(nn.Conv(2, (3, 3))(images))
        return nn.Dense(7)(nn.BatchNorm()(x, use_running_average=not train).mean((1, 2)))


def test_batch_norm_of_flax_is_frozen_as_well():
    network = TorchLike()
    images = jax.random.normal(jax.random.key(0), (4, 48, 48, 1))
    variables = network.init(jax.random.key(1), images, train=False)
    norms = frozen_norms(network, "BatchNorm_1")
    assert norms == ("BatchNorm_1",)
    _, updates = apply_with_frozen_norms(network, norms)(variables, images, train=True, mutable=["batch_stats"])
    changed = {
        name
        for name, value in flatten_dict(updates["batch_stats"], sep="/").items()
        if not np.array_equal(value, flatten_dict(variables["batch_stats"], sep="/")[name])
    }
    assert changed == {"BatchNorm_0/mean", "BatchNorm_0/var"}


def test_without_options_the_optimizer_is_the_plain_chain_and_the_step_the_same(new_state):
    """Structure of the optimiser's state, and the whole step as a program."""
    config = TrainConfig(model_options=TINY, batch_size=8)
    state, batch = state_and_batch(new_state, config)
    plain = optax.chain(
        optax.add_decayed_weights(config.weight_decay, mask=lambda p: jax.tree.map(lambda a: a.ndim > 1, p)),
        optax.sgd(create_schedule(config, 6), momentum=config.momentum, nesterov=True),
    )
    assert jax.tree.structure(state.opt_state) == jax.tree.structure(plain.init(state.params))

    def program(config, given):
        return str(jax.make_jaxpr(partial(train_step, config=config))(given, batch, jnp.ones(7), jax.random.key(0)))

    ours = program(config, state)
    assert ours == program(config, state.replace(tx=plain, opt_state=plain.init(state.params)))
    frozen = dataclasses.replace(config, freeze="Conv_0")
    assert ours != program(frozen, state)  # the comparison can fail
