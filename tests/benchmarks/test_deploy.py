"""The benchmark of ways to deploy: what it makes of its rounds."""

import pytest
from deploy import summary


def measured(seconds, labels=("happy",)):
    return {"labels": list(labels), "cold_start_s": seconds, "peak_mib": 100.0, "face_ms": 1.0}


def test_medians_by_side():
    rounds = [{"jax": measured(seconds), "opencv": measured(seconds / 4)} for seconds in (1.0, 9.0, 2.0)]
    sides = summary(rounds)
    assert (sides["jax"]["cold_start_s"], sides["opencv"]["cold_start_s"]) == (2.0, 0.5)
    assert sides["jax"]["peak_mib"] == 100.0


def test_sides_that_disagree_are_refused():
    with pytest.raises(ValueError, match="different labels"):
        summary([{"jax": measured(1.0), "opencv": measured(1.0, ["sad"])}])
