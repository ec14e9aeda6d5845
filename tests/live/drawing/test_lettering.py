import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.live.boxes import Box
from femo_jax.live.drawing.lettering import SMALLEST_CAPITAL, Plate, fill, fitting, plate_size, write


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
