"""The study of the class prior: curves of risk, and factors that are chosen on other persons."""

import json

import numpy as np
import pytest
from studies import RESULTS

from femo_jax.emotions import EMOTIONS
from femo_jax.live.config import TrackConfig
from femo_jax.prior import EVERYDAY_NEUTRAL
from tools.wild_prior import FACTORS, cross_validated, risk_coverage

NEUTRAL, SAD = EMOTIONS.index("neutral"), EMOTIONS.index("sad")


def sure(label, confidence):
    row = np.full(len(EMOTIONS), (1 - confidence) / (len(EMOTIONS) - 1))
    row[label] = confidence
    return row


def test_risk_and_coverage():
    probabilities = np.stack([sure(SAD, confidence) for confidence in (0.9, 0.75, 0.58, 0.42)])
    curve = risk_coverage(probabilities, np.array([SAD, NEUTRAL, SAD, NEUTRAL]))
    assert (curve["coverage"][-1], curve["risk"][-1]) == (1.0, 0.5)
    at = {each["threshold"]: (each["coverage"], each["risk"]) for each in curve["thresholds"]}
    assert at[0.8] == (0.25, 0.0) and at[0.7] == (0.5, 0.5) and at[0.5] == (0.75, pytest.approx(1 / 3, abs=1e-4))


def test_the_factor_is_the_one_that_other_persons_need():
    """Neutral faces that the network takes for sad ones, by odds of less than two."""
    labels = np.where(np.random.default_rng(0).random(400) < 0.5, NEUTRAL, SAD)
    probabilities = np.full((400, len(EMOTIONS)), 0.02, np.float32)
    probabilities[:, SAD] = np.where(labels == NEUTRAL, 0.56, 0.8)
    probabilities[:, NEUTRAL] = np.where(labels == NEUTRAL, 0.34, 0.1)
    faces = {"labels": labels, "persons": np.arange(400) % 80}
    by_factor, _, chosen = cross_validated(probabilities, faces, seed=0)
    assert set(chosen) == {2.0} and 2.0 in FACTORS
    assert (by_factor.argmax(1) == labels).all()
    assert (probabilities.argmax(1) == labels).mean() < 0.6


def test_the_prior_of_live_use_is_the_one_that_the_study_measured():
    for row in json.loads((RESULTS / "wild_prior.json").read_text("utf-8")):
        assert row["everyday"]["accuracy"] == pytest.approx(row["factors"][f"{EVERYDAY_NEUTRAL:g}"]["accuracy"])
        thresholds = [each["threshold"] for each in row["risk_coverage"]["everyday"]["thresholds"]]
        assert TrackConfig().uncertain_below in thresholds
