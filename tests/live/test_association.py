import itertools

import numpy as np
import pytest
from scipy import optimize

from femo_jax.live.association import linear_sum_assignment, pair_boxes
from femo_jax.live.image import Box, overlaps


def face(x: float, y: float = 0.0, size: float = 100.0) -> Box:
    return Box(x, y, size, size)


def test_nothing_to_pair():
    assert pair_boxes([], [face(0)], 0.2) == {}
    assert pair_boxes([face(0)], [], 0.2) == {}
    assert pair_boxes([], [], 0.2) == {}


def test_faces_that_come_in_another_order():
    known = [face(0), face(300), face(600)]
    assert pair_boxes(known, [face(610), face(5), face(290)], 0.2) == {0: 2, 1: 0, 2: 1}


def test_a_known_face_is_paired_once():
    # Face 0 was found; what is near to it is not it as well, and far from face 1.
    assert pair_boxes([face(0), face(1000)], [face(5), face(80)], 0.2) == {0: 0}


def test_the_best_sum_and_not_the_best_pair_first():
    # Box 0 overlaps face 1 best, but then box 1 would have no face left.
    known = [face(0), face(50)]
    assert pair_boxes(known, [face(30), face(70)], 0.2) == {0: 0, 1: 1}


def test_a_hidden_face_does_not_take_the_one_that_hides_it():
    # Face 1, which was seen a moment ago, has come to where face 0 was last seen.
    assert pair_boxes([face(100), face(70)], [face(95)], 0.2, hidden=[0]) == {0: 1}
    assert pair_boxes([face(100), face(70)], [face(95)], 0.2) == {0: 0}
    assert pair_boxes([face(100), face(70)], [face(95), face(105)], 0.2, hidden=[0]) == {0: 1, 1: 0}
    assert pair_boxes([face(100), face(500)], [face(95)], 0.2, hidden=[0]) == {0: 0}


@pytest.mark.parametrize("seed", range(20))
def test_no_other_choice_overlaps_more(seed):
    rng = np.random.default_rng(seed)
    known, found = ([Box(*rng.uniform(0, 80, 2), *rng.uniform(60, 120, 2)) for _ in range(4)] for _ in range(2))
    overlap = overlaps(known, found)
    best = max(
        sum(overlap[row, column] for column, row in enumerate(order)) for order in itertools.permutations(range(4))
    )
    pairs = pair_boxes(known, found, 0.01)
    assert sum(overlap[row, column] for column, row in pairs.items()) == pytest.approx(best)


def test_a_face_that_left_its_last_box():
    assert pair_boxes([face(0)], [face(90)], 0.2) == {0: 0}
    assert pair_boxes([face(0)], [face(60, 60)], 0.2) == {0: 0}


def test_a_face_that_is_too_far_away():
    assert pair_boxes([face(0)], [face(105)], 0.2) == {}
    assert pair_boxes([face(0)], [face(75, 75)], 0.2) == {}


def test_a_face_of_another_size_is_another_face():
    assert pair_boxes([face(0)], [face(40, 40, 20)], 0.2) == {}
    assert pair_boxes([face(40, 40, 20)], [face(0)], 0.2) == {}


def test_overlap_comes_before_nearness():
    # The found face lies 60 pixels from face 0 and 55 from face 1, which it overlaps too little.
    assert pair_boxes([face(0), face(130, 15, 70)], [face(60)], 0.2) == {0: 0}


def test_a_larger_overlap_may_be_asked_for():
    # Without nearness in play: the box grew beyond what nearness takes.
    assert pair_boxes([face(0)], [Box(0, 0, 160, 160)], 0.3) == {0: 0}
    assert pair_boxes([face(0)], [Box(0, 0, 160, 160)], 0.5) == {}


def test_boxes_without_area_pair_without_a_warning():
    with np.errstate(all="raise"):
        assert pair_boxes([Box(0, 0, 0, 0)], [Box(50, 0, 0, 0)], 0.2) == {}


def test_plain_numbers_come_back():
    (found, known), *_ = pair_boxes([face(0)], [face(1)], 0.2).items()
    assert type(found) is int
    assert type(known) is int


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
