"""What each corruption does to simple images, beside what all of them have in common."""

import numpy as np
import pytest

from femo_jax.evaluate.corruptions import CORRUPTIONS, corrupt

RANDOM = {"shifted", "rotated", "motion blur", "noise", "quarter"}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Smooth images, lit from one side, with a bright square."""
    rows, columns = np.mgrid[:48, :48]
    inputs = np.stack([60 + 1.5 * rows + shade * columns / 8 for shade in range(12)])
    inputs[:, 20:28, 22:30] += 60
    return inputs.astype(np.uint8)[..., None]


def centre(image: np.ndarray) -> np.ndarray:
    """Row and column of the middle of what is bright."""
    return np.argwhere(image[..., 0] > 128).mean(axis=0)


@pytest.fixture
def squares() -> np.ndarray:
    """A bright square of 12 pixels in the middle of 40 black images."""
    inputs = np.zeros((40, 48, 48, 1), np.uint8)
    inputs[:, 18:30, 18:30] = 255
    return inputs


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_form_is_kept_and_the_images_are_changed_anew(images, name):
    before = images.copy()
    changed = corrupt(name, images)
    assert changed.shape == images.shape and changed.dtype == np.uint8
    assert (images == before).all()
    assert (changed != images).any(axis=(1, 2, 3)).all()
    assert corrupt(name, images[:0]).shape == (0, 48, 48, 1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_seed_decides_alone(images, name):
    once = corrupt(name, images)
    corrupt("noise, sigma 8", images)
    np.testing.assert_array_equal(corrupt(name, images), once)
    is_random = any(name.startswith(word) for word in RANDOM)
    assert (corrupt(name, images, seed=1) != once).any() == is_random


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if any(name.startswith(word) for word in RANDOM)])
def test_each_image_has_its_own_randomness(squares, name):
    changed = corrupt(name, squares)
    assert len({image.tobytes() for image in changed}) > 1


@pytest.mark.parametrize(("name", "pixels"), [("shifted 10 %", 4.8), ("shifted 20 %", 9.6)])
def test_shifts_have_one_length_and_any_direction(squares, name, pixels):
    offsets = np.array([centre(image) for image in corrupt(name, squares)]) - centre(squares[0])
    np.testing.assert_allclose(np.hypot(*offsets.T), pixels, atol=0.75)
    assert (offsets.min(axis=0) < -pixels / 2).all() and (offsets.max(axis=0) > pixels / 2).all()


@pytest.mark.parametrize(("name", "factor"), [("crop 10 % larger", 1 / 1.1), ("crop 10 % smaller", 1 / 0.9)])
def test_a_larger_crop_shows_a_smaller_face_in_the_middle(squares, name, factor):
    (image, *_) = corrupt(name, squares)
    assert np.sqrt((image / 255).sum()) == pytest.approx(12 * factor, abs=0.3)
    np.testing.assert_allclose(centre(image), 23.5, atol=0.1)


def test_what_is_outside_the_image_continues_its_edge(images):
    plain = np.full((4, 48, 48, 1), 90, np.uint8)
    for name in ("shifted 20 %", "crop 10 % larger", "rotated 20 degrees", "defocus, sigma 2"):
        np.testing.assert_array_equal(corrupt(name, plain), plain)


@pytest.mark.parametrize(("name", "degrees"), [("rotated 10 degrees", 10), ("rotated 20 degrees", 20)])
def test_rotated_to_both_sides(name, degrees):
    bars = np.zeros((40, 48, 48, 1), np.uint8)
    bars[:, 22:26, 4:44] = 255
    slopes = []
    for image in corrupt(name, bars):
        rows, columns = np.nonzero(image[..., 0] > 128)
        slopes.append(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0])))
    np.testing.assert_allclose(np.abs(slopes), degrees, atol=1)
    assert min(slopes) < 0 < max(slopes)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("darker x0.5", [0, 101, 255], [0, 50, 128]),
        ("darker x0.25", [0, 101, 255], [0, 25, 64]),
        ("brighter x1.25", [0, 100, 250], [0, 125, 255]),
        ("brighter x1.5", [0, 100, 250], [0, 150, 255]),
        ("low contrast x0.5", [0, 100, 200], [50, 100, 150]),
        ("low contrast x0.25", [0, 100, 200], [75, 100, 125]),
    ],
)
def test_light(name, before, after):
    image = np.repeat(np.array(before, np.uint8), 16)[None, :, None, None].repeat(48, axis=2)
    assert corrupt(name, image)[0, ::16, 0, 0].tolist() == after


def test_a_dark_image_has_fewer_grey_values_left():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert len(np.unique(corrupt("darker x0.25", ramp))) == 65


def spread(image: np.ndarray) -> float:
    """Standard deviation in pixels of a point that was smeared, over rows and columns together."""
    weights = image[..., 0] / image.sum()
    rows, columns = np.mgrid[:48, :48]
    return float(np.sqrt((weights * ((rows - 24) ** 2 + (columns - 24) ** 2)).sum()))


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("defocus, sigma 1", 2**0.5),
        ("defocus, sigma 2", 2 * 2**0.5),
        ("motion blur, 5 px", 2**0.5),  # sqrt((n² - 1) / 12) of n pixels in a row
        ("motion blur, 9 px", (80 / 12) ** 0.5),
    ],
)
def test_blur_spreads_a_point(name, deviation):
    # Not a single pixel: rounding to grey values would cut its blurred edge off.
    points = np.zeros((8, 48, 48, 1), np.uint8)
    points[:, 22:27, 22:27] = 255
    expected = (spread(points[0]) ** 2 + deviation**2) ** 0.5
    for image in corrupt(name, points):
        assert spread(image) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(("name", "deviation"), [("noise, sigma 8", 8), ("noise, sigma 20", 20)])
def test_noise_has_its_deviation_and_no_mean(name, deviation):
    difference = corrupt(name, np.full((10, 48, 48, 1), 128, np.uint8)).astype(float) - 128
    assert difference.std() == pytest.approx(deviation, rel=0.05)
    assert abs(difference.mean()) < 0.5


def test_jpeg_loses_little_but_not_nothing(images):
    difference = np.abs(corrupt("JPEG, quality 30", images).astype(float) - images)
    assert 0.2 < difference.mean() < 10


@pytest.mark.parametrize(("name", "side"), [("resolution 24 px", 24), ("resolution 16 px", 16)])
def test_low_resolution_keeps_what_is_larger_than_its_pixels(name, side):
    factor = 48 // side
    fine = np.zeros((1, 48, 48, 1), np.uint8)
    fine[:, :, ::2] = 200  # stripes of one pixel
    coarse = np.random.default_rng(0).integers(0, 256, (1, side, side, 1)).repeat(factor, 1).repeat(factor, 2)
    if factor % 2 == 0:
        assert corrupt(name, fine).std() == 0
    assert corrupt(name, fine).std() < fine.std() / 2
    middle = slice(factor // 2, None, factor)
    changed = corrupt(name, coarse.astype(np.uint8)).astype(float)
    assert np.abs(changed - coarse)[:, middle, middle].mean() < 0.7 * coarse.std()
    assert changed.mean() == pytest.approx(coarse.mean(), abs=2)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("mouth covered", [(34, 24), (42, 14), (42, 34)], [(20, 16), (20, 32), (28, 24)]),
        ("eyes covered", [(20, 10), (20, 16), (20, 32), (20, 38)], [(30, 24), (38, 24), (8, 24)]),
    ],
)
def test_covered_where_they_should_be(images, name, inside, outside):
    covered = corrupt(name, images)
    for row, column in inside:
        assert (covered[:, row, column] == 128).all()
    for row, column in outside:
        np.testing.assert_array_equal(covered[:, row, column], images[:, row, column])


def test_a_quarter_is_covered_somewhere():
    changed = corrupt("quarter covered", np.zeros((200, 48, 48, 1), np.uint8))
    assert ((changed == 128).sum(axis=(1, 2, 3)) == 24 * 24).all()
    reached = (changed == 128).any(axis=0)[..., 0]
    assert reached[0].any() and reached[-1].any() and reached[:, 0].any() and reached[:, -1].any()
