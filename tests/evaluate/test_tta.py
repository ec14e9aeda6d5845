import numpy as np
import pytest

from femo_jax.errors import ConfigError
from femo_jax.evaluate.tta import CROP, tta_function


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)


@pytest.mark.parametrize(("name", "number"), [("none", 1), ("flip", 2), ("ten_crop", 10)])
def test_views_are_images_in_0_to_1(images, name, number):
    views = np.asarray(tta_function(name)(images))
    assert views.shape == (number, 3, 48, 48, 1)
    assert views.dtype == np.float32
    assert views.min() >= 0 and views.max() <= 1


def test_one_is_the_image(images):
    np.testing.assert_allclose(tta_function("none")(images)[0], images / 255, rtol=1e-6)


def test_flip_mirrors_left_and_right(images):
    _, mirrored = np.asarray(tta_function("flip")(images))
    np.testing.assert_allclose(mirrored, images[:, :, ::-1] / 255, rtol=1e-6)


def test_second_half_of_ten_mirrors_the_first(images):
    views = np.asarray(tta_function("ten_crop")(images))
    np.testing.assert_array_equal(views[5:], views[:5, :, :, ::-1])


def test_crops_are_four_corners_and_the_centre():
    # A crop that reaches a corner of the image keeps that corner's mark in its own corner.
    marks = {0: (0, 0), 1: (0, 47), 2: (47, 0), 3: (47, 47)}
    image = np.zeros((1, 48, 48, 1), np.uint8)
    for y, x in marks.values():
        image[0, y, x] = 255
    views = np.asarray(tta_function("ten_crop")(image))[:5, 0, :, :, 0]
    for number, crop in enumerate(views):
        lit = {corner for corner, (y, x) in marks.items() if crop[y, x] > 0.5}
        assert lit == ({number} if number < 4 else set())


def test_crops_are_enlarged_to_the_image():
    # In a ramp of one grey level a pixel, neighbours in the enlarged crop differ by less than one level.
    ramp = np.broadcast_to(np.arange(48, dtype=np.uint8)[None, None, :, None], (1, 48, 48, 1))
    centre = np.asarray(tta_function("ten_crop")(ramp))[4, 0, 24, :, 0] * 255
    assert centre[30] - centre[20] == pytest.approx(10 * CROP / 48, rel=1e-4)
    assert centre.mean() == pytest.approx(23.5, rel=1e-4)


def test_unknown_name():
    with pytest.raises(ConfigError, match="unknown test-time augmentation 'two'; choose one of none, flip, ten_crop"):
        tta_function("two")
