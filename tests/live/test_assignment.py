import numpy as np
import pytest
from scipy import optimize

from femo_jax.live.assignment import linear_sum_assignment


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (1, 4), (4, 1), (5, 5), (3, 8), (8, 3), (20, 17)])
def test_pairs_as_scipy_does(shape, maximize):
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.normal(size=shape)
        for given, expected in zip(
            linear_sum_assignment(scores, maximize), optimize.linear_sum_assignment(scores, maximize), strict=True
        ):
            np.testing.assert_array_equal(given, expected)


def test_equal_scores_still_give_a_best_sum():
    scores = np.random.default_rng(0).integers(0, 3, (9, 7)).astype(float)
    rows, columns = linear_sum_assignment(scores)
    assert len(set(columns.tolist())) == 7
    expected = optimize.linear_sum_assignment(scores)
    assert scores[rows, columns].sum() == scores[expected].sum()
