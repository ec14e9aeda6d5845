"""Bayes' rule for the frequencies of the place of use, and priors that fit no model."""

import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.prior import (
    EVERYDAY_NEUTRAL,
    FER2013_PRIOR,
    class_frequencies,
    corrected,
    parse_prior,
    prior_weights,
    training_prior,
)

NAMES = ("calm", "happy", "sad")
TRAINED = np.array([0.2, 0.5, 0.3])


def test_the_correction_is_bayes_rule():
    """Probabilities of a generative model with one prior become those of the same model with another."""
    likelihood = np.random.default_rng(0).random((5, 3))

    def posterior(prior):
        joint = likelihood * prior
        return joint / joint.sum(1, keepdims=True)

    there = np.array([0.6, 0.3, 0.1])
    weights = prior_weights(dict(zip(NAMES, there.tolist(), strict=True)), NAMES, TRAINED)
    np.testing.assert_allclose(corrected(posterior(TRAINED), weights), posterior(there), rtol=1e-6)
    np.testing.assert_allclose(
        corrected(posterior(TRAINED), prior_weights("uniform", NAMES, TRAINED)), posterior(np.ones(3)), rtol=1e-6
    )


def test_classes_that_are_not_named_share_the_rest_as_in_training():
    weights = prior_weights({"calm": 0.6}, NAMES, TRAINED)
    np.testing.assert_allclose(weights * TRAINED, [0.6, 0.4 * 0.5 / 0.8, 0.4 * 0.3 / 0.8])


@pytest.mark.parametrize("prior", [None, "training"])
def test_without_a_prior_nothing_changes(prior):
    assert prior_weights(prior, NAMES, None).tolist() == [1, 1, 1]


def test_everyday_is_about_the_neutral_class_of_whatever_name():
    expected = [EVERYDAY_NEUTRAL if name == "neutral" else 1 for name in EMOTIONS]
    assert prior_weights("everyday", EMOTIONS, None).tolist() == expected
    assert prior_weights("everyday", ("Neutral", "other"), None).tolist() == [EVERYDAY_NEUTRAL, 1]
    assert prior_weights("everyday", NAMES, None).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ("usual", "'usual'; expected training, uniform, everyday"),
        (3, "prior is 3"),
        ({"calm": 0.0}, "'calm' is 0.0; expected a probability"),
        ({"calm": True}, "'calm' is True"),
        ({"calm": float("nan")}, "'calm' is nan"),
        ({"calm": 0.7, "sad": 0.4}, "sum 1.1"),
        ({"calm": 0.2, "happy": 0.2, "sad": 0.2}, "sum 0.6; expected 1 for all classes"),
        ({"calm": 0.5, "happy": 0.5}, "less for a part"),
        ({"angry": 0.5}, "class 'angry'; the model has calm, happy, sad"),
    ],
)
def test_priors_that_fit_no_place_are_refused(prior, words):
    with pytest.raises(ConfigError, match=words):
        prior_weights(prior, NAMES, TRAINED)


@pytest.mark.parametrize("prior", ["uniform", {"calm": 0.5}])
def test_frequencies_in_training_that_are_not_known(prior):
    with pytest.raises(ConfigError, match="does not state how frequent"):
        prior_weights(prior, NAMES, None)


def test_priors_as_text():
    assert parse_prior("everyday") == "everyday"
    assert parse_prior("neutral=0.4, happy=0.2") == {"neutral": 0.4, "happy": 0.2}


@pytest.mark.parametrize("text", ["often", "neutral=often", "neutral=0.4,happy", "a=0.1,a=0.2", "neutral=2", "=", ""])
def test_text_that_is_no_prior_is_refused(text):
    with pytest.raises(ConfigError, match="prior"):
        parse_prior(text)


def test_what_a_model_states_of_its_training():
    stated = class_frequencies(np.array([0, 1, 1, 2], np.int32), NAMES)
    np.testing.assert_allclose(training_prior({"class_frequencies": stated}, NAMES), [0.25, 0.5, 0.25])
    np.testing.assert_array_equal(training_prior({}, EMOTIONS), FER2013_PRIOR)
    assert training_prior({}, NAMES) is None
    missing = class_frequencies(np.array([0, 1], np.int32), NAMES)
    assert training_prior({"class_frequencies": missing}, NAMES) is None
