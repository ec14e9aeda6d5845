import numpy as np
import pytest

from femo_jax.live.drawing.grid import Grid, letterboxed


def plain(value, width, height):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (6, 3, 2), (9, 3, 3)]
)
def test_cells_lie_row_by_row(count, columns, rows):
    grid = Grid(count, [(8, 6)])
    assert grid.image.shape == (6 * rows, 8 * columns, 3)
    for number in range(count):
        grid.put(number, plain(10 * (number + 1), 8, 6))
    middles = grid.image[3::6, 4::8, 0].ravel()
    assert middles.tolist() == [10 * (number + 1) for number in range(count)] + [0] * (rows * columns - count)


def test_a_cell_holds_the_largest_frame_and_smaller_ones_fit_into_it():
    grid = Grid(2, [(64, 48), (40, 60)])
    assert grid.image.shape == (60, 128, 3)
    grid.put(0, plain(100, 64, 48))
    grid.put(1, plain(200, 40, 60))
    assert (grid.image[6:54, :64] == 100).all()
    assert (grid.image[:6, :64] == 0).all()
    assert (grid.image[:, 76:116] == 200).all()
    assert (grid.image[:, 116:] == 0).all()


def test_a_source_without_a_new_frame_keeps_its_last_one():
    grid = Grid(2, [(8, 6)])
    grid.put(0, plain(100, 8, 6))
    for value in (50, 60):
        grid.put(1, plain(value, 8, 6))
    assert (grid.image[:, :8] == 100).all()
    assert (grid.image[:, 8:] == 60).all()


def test_what_is_out_of_date_is_darkened():
    grid = Grid(2, [(8, 6)])
    for number in (0, 1):
        grid.put(number, plain(200, 8, 6))
    grid.fade(1)
    assert (grid.image[:, :8] == 200).all()
    assert (grid.image[:, 8:] == 70).all()


@pytest.mark.parametrize("count", [2, 4, 9])
def test_a_grid_of_large_frames_stays_within_4k(count):
    height, width = Grid(count, [(3840, 2160)] * count).image.shape[:2]
    assert width <= 3840
    assert height <= 2160
    assert width == 3840 or height == 2160


def test_a_frame_of_another_shape_lies_between_black_bars():
    framed = letterboxed(plain(100, 20, 40), 40, 40)
    assert (framed[:, 10:30] == 100).all()
    assert (framed[:, :10] == 0).all()
    assert (framed[:, 30:] == 0).all()
