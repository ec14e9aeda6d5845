import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.live.drawing.text import (
    BLACK,
    DARK,
    SMALLEST_CAPITAL,
    WHITE,
    Layout,
    Plate,
    class_color,
    contrast,
    fill,
    fitting,
    ink,
    mixed,
    plate_size,
    write,
)
from femo_jax.live.image import Box


def test_colours_are_in_the_order_of_opencv():
    assert Emotion.ANGRY.rgb == (213, 94, 0)
    assert class_color("angry") == (0, 94, 213)


def test_contrast_is_that_of_the_guidelines():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert contrast((0, 0, 255), (255, 255, 255)) == pytest.approx(4.0, abs=0.01)  # pure red


@pytest.mark.parametrize("label", EMOTIONS)
def test_text_can_be_read_on_every_emotion(label):
    assert contrast(ink(class_color(label)), class_color(label)) >= 4.5
    assert contrast(mixed(class_color(label), WHITE, 0.4), DARK) >= 4.5


def test_dark_text_on_light_and_light_text_on_dark():
    assert ink(class_color("happy")) == BLACK
    assert ink(class_color("sad")) == WHITE


def test_mixing():
    assert mixed((0, 100, 200), (100, 100, 100), 0.25) == (25, 100, 175)


def _drawn(text, capital, height=200, width=900):
    canvas = np.zeros((height, width, 3), np.uint8)
    write(canvas, text, 50, 120, capital, (255, 255, 255))
    rows, columns = np.nonzero(canvas.any(axis=2))
    return rows, columns


@pytest.mark.parametrize("capital", [9.0, 12.0, 24.0, 48.0])
def test_capital_letters_are_as_high_as_asked(capital):
    rows, _ = _drawn("HE", capital)
    assert np.ptp(rows) + 1 == pytest.approx(capital, abs=max(3, 0.25 * capital))
    assert rows.max() == pytest.approx(120, abs=max(2, 0.15 * capital))


@pytest.mark.parametrize("text", [*EMOTIONS, "12: surprise? 100%", "gpyq"])
@pytest.mark.parametrize("capital", [5.0, 9.0, 13.7, 40.0])
def test_text_stays_on_its_plate(text, capital):
    w, h = plate_size(text, capital)
    canvas = np.zeros((h + 60, w + 60, 3), np.uint8)
    Plate(Box(30, 30, w, h), text, capital, (255, 255, 255), (0, 0, 100)).draw(canvas)
    assert canvas[30 : 30 + h, 30 : 30 + w].any(axis=2).all()
    assert np.count_nonzero(canvas.any(axis=2)) == w * h
    assert canvas[..., 1].max() > 120  # the text; antialiased strokes of a pixel are never quite white


def test_an_edge_lies_inside_the_plate():
    canvas = np.zeros((60, 200, 3), np.uint8)
    Plate(Box(10, 10, *plate_size("sad", 12)), "sad", 12, (255, 255, 255), (1, 1, 1), edge=(0, 255, 0)).draw(canvas)
    rows, columns = np.nonzero((canvas == (0, 255, 0)).all(axis=2))
    w, h = plate_size("sad", 12)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 10 + h - 1, 10, 10 + w - 1)
    assert (canvas[12, 12] == 1).all()


@pytest.mark.parametrize(("width", "height"), [(640, 480), (80, 60), (200, 14), (60, 600)])
def test_text_shrinks_until_it_fits(width, height):
    capital = fitting("1: surprise 87%", 12.0, width, height)
    if capital is not None:
        assert SMALLEST_CAPITAL <= capital <= 12
        w, h = plate_size("1: surprise 87%", capital)
        assert w <= width
        assert h <= height
    assert (capital is None) == (plate_size("1: surprise 87%", SMALLEST_CAPITAL)[0] > width)


def test_there_is_no_text_too_small_to_read():
    assert fitting("1: surprise 87%", 12.0, 30, 480) is None
    assert fitting("1: surprise 87%", 12.0, 640, 6) is None


def test_filling_nothing_draws_nothing():
    canvas = np.zeros((10, 10, 3), np.uint8)
    fill(canvas, Box(3, 3, 0.2, 5), (255, 255, 255))
    assert not canvas.any()
    fill(canvas, Box(3, 3, 1, 5), (255, 255, 255))
    assert np.count_nonzero(canvas[..., 0]) == 5


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
    assert layout.take_free([Box(30, 49, 20, 20)], 0.1, owner=face) is None  # covers a row of the other face
    assert layout.take_free([Box(30, 50, 20, 20)], 0.1, owner=face) == Box(30, 50, 20, 20)


def test_the_owner_may_be_covered_by_less_than_half():
    face = Box(0, 0, 100, 100)
    assert Layout(100, 100, [face]).take_free([Box(60, 0, 40, 60)], 0.1, owner=face) == Box(60, 0, 40, 60)
    assert Layout(100, 100, [face]).take_free([Box(20, 0, 80, 70)], 0.1, owner=face) is None


def test_places_are_filled_in_their_order():
    layout = Layout(1000, 1000, [])
    places = [Box(x, 10, 10, 10) for x in range(0, 240, 10)]
    assert [layout.take(places) for _ in places] == places
