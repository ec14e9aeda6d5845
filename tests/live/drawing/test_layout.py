from femo_jax.live.boxes import Box
from femo_jax.live.drawing.layout import Layout


def test_the_first_free_place_is_taken():
    layout = Layout(100, 100, [Box(0, 0, 20, 20)])
    assert layout.take([Box(5, 5, 10, 10), Box(50, 50, 10, 10), Box(70, 70, 10, 10)]) == Box(50, 50, 10, 10)


def test_a_place_that_was_taken_is_avoided():
    layout = Layout(100, 100, [])
    places = [Box(10, 10, 10, 10), Box(10, 30, 10, 10)]
    assert [layout.take(places), layout.take(places)] == places


def test_text_is_covered_less_willingly_than_a_face():
    layout = Layout(100, 100, [Box(0, 0, 10, 10)])
    text = layout.take([Box(50, 0, 10, 10)])
    assert layout.take([text, Box(0, 0, 10, 10)]) == Box(0, 0, 10, 10)


def test_places_are_moved_into_the_frame_first():
    layout = Layout(100, 50, [])
    assert layout.take([Box(-5, 45, 20, 10)]) == Box(0, 40, 20, 10)
    assert layout.take([Box(95, -5, 20, 10)]) == Box(80, 0, 20, 10)
    assert layout.take([Box(30, 30, 200, 80)]) == Box(0, 0, 200, 80)


def test_a_place_that_is_not_free_is_not_taken():
    face = Box(50, 50, 20, 20)
    layout = Layout(100, 100, [Box(0, 0, 50, 50), face])
    assert layout.take_free([Box(10, 10, 20, 20)], 0.1, owner=face) is None
    assert layout.take_free([Box(30, 49, 20, 20)], 0.1, owner=face) == Box(30, 49, 20, 20)


def test_the_owner_may_be_covered_by_less_than_half():
    face = Box(0, 0, 100, 100)
    assert Layout(100, 100, [face]).take_free([Box(60, 0, 40, 60)], 0.1, owner=face) == Box(60, 0, 40, 60)
    assert Layout(100, 100, [face]).take_free([Box(20, 0, 80, 70)], 0.1, owner=face) is None


def test_places_are_filled_in_their_order():
    layout = Layout(1000, 1000, [])
    places = [Box(x, 10, 10, 10) for x in range(0, 240, 10)]
    assert [layout.take(places) for _ in places] == places
