import jax.numpy as jnp
import numpy as np
import pytest

from femo_jax.train.metrics import NEVER, Metrics


def batch(losses, correct, mask, weights=None):
    weights = np.ones(len(losses)) if weights is None else weights
    return Metrics.of_pictures(jnp.array(losses), jnp.array(weights), jnp.array(correct), jnp.array(mask))


def test_unequal_batches_average_over_pictures_not_over_batches():
    whole = batch([1.0, 2.0, 3.0], [True, True, False], [True] * 3).merge(batch([10.0], [False], [True]))
    means = whole.compute()
    assert means["loss"] == pytest.approx(4.0)
    assert means["accuracy"] == pytest.approx(0.5)


def test_masked_pictures_do_not_count():
    means = batch([1.0, 99.0], [True, False], [True, False]).compute()
    assert means == pytest.approx({"loss": 1.0, "accuracy": 1.0})


def test_weights_count_in_the_loss_and_not_in_the_accuracy():
    means = batch([1.0, 4.0], [True, False], [True, True], [3.0, 1.0]).compute()
    assert means == pytest.approx({"loss": 1.75, "accuracy": 0.5})


def test_the_first_bad_step_survives_merging():
    one, two = (Metrics.zeros().replace(first_bad_step=jnp.asarray(step)) for step in (7, 12))
    assert int(two.merge(one).merge(Metrics.zeros()).first_bad_step) == 7
    assert int(Metrics.zeros().merge(Metrics.zeros()).first_bad_step) == NEVER


def test_norms_average_over_steps():
    step = batch([1.0], [True], [True]).replace(
        gradient_norm=jnp.asarray(2.0), update_norm=jnp.asarray(0.5), steps=jnp.asarray(1)
    )
    means = step.merge(step.replace(gradient_norm=jnp.asarray(4.0))).compute()
    assert means["gradient_norm"] == pytest.approx(3.0)
    assert means["update_norm"] == pytest.approx(0.5)
