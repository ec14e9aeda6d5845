from femo_jax.live.boxes import Box
from femo_jax.live.detection.duplicates import without_duplicates

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
