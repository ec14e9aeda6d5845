import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.train.steps import eval_step, train_step

EQUAL = jnp.ones(7)


@pytest.fixture(scope="module")
def batch(train_tiles):
    return {"image": jnp.asarray(train_tiles.images[:48]), "label": jnp.asarray(train_tiles.labels[:48])}


@pytest.fixture(scope="module")
def steps(new_state):
    """A function that takes steps on one batch."""

    def take(config, batch, count, class_weights=EQUAL):
        state = new_state(config)
        step = jax.jit(partial(train_step, config=config))
        for _ in range(count):
            state = step(state, batch, class_weights)
        return state

    return take


def test_one_step_changes_every_part_of_the_state(tiny_config, batch, steps, new_state):
    before, after = new_state(tiny_config), steps(tiny_config, batch, 1)
    assert int(after.step) == 1
    for part in ("params", "batch_stats", "opt_state", "ema", "metrics"):
        pairs = zip(jax.tree.leaves(getattr(before, part)), jax.tree.leaves(getattr(after, part)), strict=True)
        assert any(not np.array_equal(old, new) for old, new in pairs), part


def test_repeated_steps_learn_the_batch(tiny_config, batch, steps):
    config = dataclasses.replace(tiny_config, label_smoothing=0.0, learning_rate=0.1)
    state = steps(config, batch, 120)
    means = eval_step(state, batch | {"mask": jnp.ones(48, bool)}).compute()
    assert means["accuracy"] > 0.9
    assert means["loss"] < 0.6


def test_same_seed_same_weights_other_seed_others(tiny_config, batch, steps):
    one, same = steps(tiny_config, batch, 3), steps(tiny_config, batch, 3)
    other = steps(dataclasses.replace(tiny_config, seed=1), batch, 3)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one.params, same.params)))
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, one.params, other.params)))


def test_randomness_differs_from_step_to_step(tiny_config, batch, new_state):
    config = dataclasses.replace(tiny_config, learning_rate=0.0)
    state = new_state(config)
    losses = []
    for _ in range(2):
        grown = jax.jit(partial(train_step, config=config))(state, batch, EQUAL)
        losses.append(float(grown.metrics.loss - state.metrics.loss))
        state = grown
    assert losses[0] != losses[1]


def test_a_class_without_weight_is_not_learned(tiny_config, batch, steps):
    config = dataclasses.replace(tiny_config, label_smoothing=0.0)
    only_happy = jnp.zeros(7).at[3].set(1.0)
    state = steps(config, batch, 30, only_happy)
    logits = state.apply_fn(state.ema, (batch["image"] / 255.0 - 0.5) / 0.25, train=False)
    assert (jnp.argmax(logits, -1) == 3).all()


def test_the_average_lags_behind_and_none_is_the_weights_themselves(tiny_config, batch, steps):
    averaged = steps(tiny_config, batch, 10)
    plain = steps(dataclasses.replace(tiny_config, ema_decay=0.0), batch, 10)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, plain.ema["params"], plain.params)))
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, averaged.ema["params"], averaged.params)))


def test_a_loss_that_is_not_finite_is_noted_with_its_step(tiny_config, batch, steps):
    state = steps(tiny_config, batch, 2)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, state.params)
    state = jax.jit(partial(train_step, config=tiny_config))(state.replace(params=broken), batch, EQUAL)
    assert int(state.metrics.first_bad_step) == 2


def test_evaluation_does_not_count_masked_pictures(tiny_config, batch, steps):
    state = steps(tiny_config, batch, 5)
    mask = jnp.arange(48) < 29
    first = {name: array[:29] for name, array in batch.items()} | {"mask": jnp.ones(29, bool)}
    masked, cut = eval_step(state, batch | {"mask": mask}).compute(), eval_step(state, first).compute()
    assert masked == pytest.approx(cut, rel=1e-5)
    assert int(eval_step(state, batch | {"mask": mask}).count) == 29
