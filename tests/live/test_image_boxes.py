import numpy as np
import pytest

from femo_jax.live.image import Box, overlaps, without_duplicates


def test_overlaps_are_intersection_over_union():
    matrix = overlaps([Box(0, 0, 10, 10), Box(100, 0, 4, 4)], [Box(0, 0, 10, 10), Box(5, 0, 10, 10), Box(102, 2, 4, 4)])
    np.testing.assert_allclose(matrix, [[1, 50 / 150, 0], [0, 0, 4 / 28]])


def test_boxes_without_area_overlap_nothing():
    assert overlaps([Box(3, 3, 0, 0)], [Box(3, 3, 0, 0), Box(0, 0, 9, 9)]).tolist() == [[0, 0]]


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 2), (3, 0)])
def test_no_boxes_give_an_empty_matrix(first, second):
    box = Box(0, 0, 1, 1)
    assert overlaps([box] * first, [box] * second).shape == (first, second)


def test_a_box_is_clipped_to_the_frame():
    assert Box(-5, 90, 20, 20).clipped(100, 100) == Box(0, 90, 15, 10)
    assert Box(200, 10, 20, 20).clipped(100, 100)[2] == 0
    assert Box(-50, 10, 20, 20).clipped(100, 100) == Box(0, 10, 0, 20)


def test_rounding_moves_edges_and_not_sizes():
    assert Box(0.6, 0.4, 10.3, 10.3).rounded() == Box(1, 0, 10, 11)


def test_centre_and_size():
    box = Box(10, 20, 4, 9)
    assert box.center == (12, 24.5)
    assert box.size == 6


FACE = Box(100, 100, 50, 50)


def test_of_boxes_in_nearly_the_same_place_the_first_stays():
    assert without_duplicates([FACE, Box(105, 98, 50, 50)]) == [FACE]
    assert without_duplicates([Box(105, 98, 50, 50), FACE]) == [Box(105, 98, 50, 50)]


def test_a_box_inside_another_is_the_same_face():
    inside, around, mostly_inside = Box(120, 120, 15, 15), Box(60, 60, 160, 160), Box(138, 110, 14, 14)
    assert without_duplicates([FACE, inside, around, mostly_inside]) == [FACE]
    assert without_duplicates([inside, FACE]) == [inside]


def test_neighbours_stay_in_their_order():
    neighbours = [Box(130, 100, 50, 50), FACE, Box(100, 135, 50, 50), Box(140, 140, 20, 20)]
    assert without_duplicates(neighbours) == neighbours


def test_a_box_that_was_dropped_takes_no_other_with_it():
    chain = [Box(100 + 12 * step, 100, 50, 50) for step in range(4)]
    assert without_duplicates(chain) == [chain[0], chain[2]]


def test_nothing_stays_nothing():
    assert without_duplicates([]) == []


def test_a_box_without_area_breaks_nothing():
    assert without_duplicates([FACE, Box(0, 0, 0, 0)])[0] == FACE
