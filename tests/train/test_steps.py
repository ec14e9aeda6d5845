import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from femo_jax.preprocess import normalize
from femo_jax.train.augment import Augmentation
from femo_jax.train.steps import cross_entropy, eval_step, train_step
from femo_jax.train.targets import smooth_targets

EQUAL = jnp.ones(7)
KEY = jax.random.key(0)
STILL = Augmentation(flip=False, rotation=0, scale=0, translation=0, brightness=0, contrast=0)


def labelled(images, labels):
    """A training batch whose targets are the labels."""
    return {
        "image": jnp.asarray(images),
        "label": jnp.asarray(labels),
        "target": jax.nn.one_hot(jnp.asarray(labels), 7),
    }


@pytest.fixture(scope="module")
def batch(train_tiles):
    return labelled(train_tiles.images[:48], train_tiles.labels[:48])


@pytest.fixture(scope="module")
def step_of():
    """A function that gives `train_step` of a configuration, compiled once."""
    compiled = {}

    def of(config):
        return compiled.setdefault(repr(config), jax.jit(partial(train_step, config=config)))

    return of


@jax.jit
def evaluated(state, batch):
    """`eval_step`, compiled."""
    return eval_step(state, batch)


@jax.jit
def logits_of(state, batch):
    """Logits `[b, 7]` of the averaged weights."""
    return state.apply_fn(state.ema, (batch["image"] / 255.0 - 0.5) / 0.25, train=False)


@pytest.fixture(scope="module")
def steps(new_state, step_of):
    """A function that takes steps on one batch."""

    def take(config, batch, count, class_weights=EQUAL):
        state, step = new_state(config), step_of(config)
        for _ in range(count):
            state = step(state, batch, class_weights, jax.random.key(config.seed))
        return state

    return take


def test_one_step_changes_every_part_of_the_state(tiny_config, batch, steps, new_state):
    before, after = new_state(tiny_config), steps(tiny_config, batch, 1)
    assert int(after.step) == 1
    for part in ("params", "batch_stats", "opt_state", "ema", "metrics"):
        pairs = zip(jax.tree.leaves(getattr(before, part)), jax.tree.leaves(getattr(after, part)), strict=True)
        assert any(not np.array_equal(old, new) for old, new in pairs), part


def test_repeated_steps_learn_the_batch(tiny_config, batch, steps):
    config = dataclasses.replace(tiny_config, learning_rate=0.1, augmentation=STILL)
    state = steps(config, batch, 60)
    means = evaluated(state, batch | {"mask": jnp.ones(48, bool)}).compute()
    assert means["accuracy"] > 0.9
    assert means["loss"] < 0.6


def test_same_seed_same_weights_other_seed_others(tiny_config, batch, steps):
    one, same = steps(tiny_config, batch, 3), steps(tiny_config, batch, 3)
    other = steps(dataclasses.replace(tiny_config, seed=1), batch, 3)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one.params, same.params)))
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, one.params, other.params)))


def test_randomness_differs_from_step_to_step(tiny_config, batch, new_state, step_of):
    config = dataclasses.replace(tiny_config, learning_rate=0.0)
    state = new_state(config)
    losses = []
    for _ in range(2):
        grown = step_of(config)(state, batch, EQUAL, KEY)
        losses.append(float(grown.metrics.loss - state.metrics.loss))
        state = grown
    assert losses[0] != losses[1]


def test_a_class_without_weight_is_not_learned(tiny_config, batch, steps):
    only_happy = jnp.zeros(7).at[3].set(1.0)
    state = steps(tiny_config, batch, 30, only_happy)
    logits = logits_of(state, batch)
    assert (jnp.argmax(logits, -1) == 3).all()


def test_averaged_weights_lag_behind_and_equal_the_weights_without_decay(tiny_config, batch, steps):
    averaged = steps(tiny_config, batch, 10)
    plain = steps(dataclasses.replace(tiny_config, ema_decay=0.0), batch, 10)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, plain.ema["params"], plain.params)))
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, averaged.ema["params"], averaged.params)))


def test_a_loss_that_is_not_finite_is_noted_with_its_step(tiny_config, batch, steps, step_of):
    state = steps(tiny_config, batch, 2)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, state.params)
    state = step_of(tiny_config)(state.replace(params=broken), batch, EQUAL, KEY)
    assert int(state.metrics.first_bad_step) == 2


def test_evaluation_does_not_count_masked_images(tiny_config, batch, steps):
    state = steps(tiny_config, batch, 5)
    mask = jnp.arange(48) < 29
    first = {name: array[:29] for name, array in batch.items()} | {"mask": jnp.ones(29, bool)}
    masked, cut = evaluated(state, batch | {"mask": mask}).compute(), evaluated(state, first).compute()
    assert masked == pytest.approx(cut, rel=1e-5)
    assert int(evaluated(state, batch | {"mask": mask}).count) == 29


def test_the_targets_are_what_is_learned_not_the_labels(tiny_config, batch, steps):
    unsure = batch | {"target": jnp.tile(jnp.array([0.7, 0, 0, 0.3, 0, 0, 0]), (48, 1))}
    state = steps(dataclasses.replace(tiny_config, learning_rate=0.1), unsure, 80)
    logits = logits_of(state, batch)
    np.testing.assert_allclose(jax.nn.softmax(logits).mean(axis=0)[jnp.array([0, 3])], [0.7, 0.3], atol=0.1)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_images_are_learned_from_mixed_targets(kind, tiny_config, batch, new_state, step_of):
    """With two images of one class each, the loss of a mixed batch lies on the line between the two targets."""
    config = dataclasses.replace(tiny_config, augmentation=Augmentation(**{kind: 1.0}))
    state = new_state(config)
    step = step_of(config)
    own, partner = jax.nn.one_hot(jnp.zeros(48, int), 7), jax.nn.one_hot(jnp.full(48, 3), 7)
    half = jnp.concatenate([own[:24], partner[24:]])

    def loss(target):
        return float(step(state, batch | {"target": target}, EQUAL, KEY).metrics.loss)

    # The images are the same in all four calls, and the loss is linear in the targets: with share s of its own,
    # the first half's target is s own + (1 - s) partner, the second half's the other way round.
    assert loss(half) + loss(jnp.flip(half, 0)) == pytest.approx(loss(own) + loss(partner), rel=1e-4)
    assert loss(half) != pytest.approx(loss(jnp.flip(half, 0)), rel=1e-4)


def test_the_network_gets_images_of_the_given_size(tiny_config, batch, new_state):
    state = new_state(tiny_config)
    sizes = []

    def apply_fn(variables, images, **arguments):
        sizes.append(images.shape)
        return state.apply_fn(variables, images, **arguments)

    jax.eval_shape(
        partial(train_step, config=tiny_config, size=32), state.replace(apply_fn=apply_fn), batch, EQUAL, KEY
    )
    assert sizes == [(48, 32, 32, 1)]


def test_sharpness_aware_steps_take_the_gradient_further_up(tiny_config, batch, new_state, step_of):
    """On a loss that a dropout-free network gives, one step of each is compared with the gradient taken by hand.

    The two are different programs, in which XLA computes the same numbers twice and rounds them differently. With a
    gradient that asks which number equals the maximum, parts of it were lost in one and not in the other.
    """
    plain = dataclasses.replace(
        tiny_config,
        model_options={"widths": (6, 8), "dropout": 0.0},
        augmentation=STILL,
        weight_decay=0.0,
        momentum=0.0,
    )
    state = new_state(plain)

    def loss(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        logits, _ = state.apply_fn(variables, normalize(batch["image"]), train=True, mutable=["batch_stats"])
        return -jnp.mean(jnp.sum(batch["target"] * jax.nn.log_softmax(logits), -1))

    gradient_of = jax.jit(jax.grad(loss))
    gradient = gradient_of(state.params)
    stride = 0.5 / optax.tree.norm(gradient)
    expected = gradient_of(jax.tree.map(lambda w, g: w + stride * g, state.params, gradient))
    after = step_of(dataclasses.replace(plain, sam_rho=0.5))(state, batch, EQUAL, KEY)
    taken = jax.tree.map(lambda old, new: (old - new) / plain.learning_rate, state.params, after.params)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-4), taken, expected)
    assert not np.allclose(expected["head"]["kernel"], gradient["head"]["kernel"], atol=1e-3)


def test_self_distillation_weight_of_earlier_predictions_rises(tiny_config, batch, new_state, step_of, train_tiles):
    config = dataclasses.replace(tiny_config, self_distillation=0.8, epochs=2, learning_rate=0.0)
    steps_in_all = 2 * (96 // config.batch_size)
    certain = jnp.tile(jnp.eye(7)[5], (96, 1))
    start = new_state(config).replace(answers=certain)
    batch = batch | {"index": jnp.arange(40, 88)}
    step = step_of(config)
    at_start, at_end = (step(start.replace(step=jnp.asarray(done)), batch, EQUAL, KEY) for done in (0, steps_in_all))
    plain = dataclasses.replace(config, self_distillation=0.0)
    for done, after, share in ((0, at_start, 0.0), (steps_in_all, at_end, 0.8)):
        targets = (1 - share) * batch["target"] + share * certain[:48]
        same = step_of(plain)(new_state(plain).replace(step=jnp.asarray(done)), batch | {"target": targets}, EQUAL, KEY)
        assert float(after.metrics.loss) == pytest.approx(float(same.metrics.loss), rel=1e-5)
    np.testing.assert_array_equal(at_end.answers[:40], certain[:40])
    np.testing.assert_array_equal(at_end.answers[88:], certain[88:])
    np.testing.assert_allclose(at_end.answers.sum(axis=1), 1.0, rtol=1e-5)
    assert (at_end.answers[40:88, 5] < 1.0).all()


def test_cross_entropy_agrees_with_optax():
    logits = jax.random.normal(jax.random.key(0), (5, 7)) * 10
    labels = jnp.array([0, 1, 2, 3, 6])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(cross_entropy(logits, smooth_targets(labels, 0.0, 7)), expected, rtol=1e-5)


def test_cross_entropy_of_half_precision_logits_is_float32():
    assert cross_entropy(jnp.ones((2, 7), jnp.bfloat16), jnp.ones((2, 7)) / 7).dtype == jnp.float32
