import math

import cv2
import numpy as np
import pytest

from femo_jax.live.image import Box, CropGeometry, DetectedFace, crop_faces, cut_square

EXACT = CropGeometry(scale=1.0, shift=0.0)


def ramp(slope: float) -> np.ndarray:
    """A frame `[200, 256] uint8` that grows brighter by `slope` from column to column; transposed, from row to row."""
    return np.tile(np.minimum(np.arange(256) * slope, 255).round().astype(np.uint8), (200, 1))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)


def middles(start: float, side: float) -> np.ndarray:
    """Where the middles of 48 pixels lie that share a side evenly; the middle of pixel n lies at n."""
    return start + (np.arange(48) + 0.5) * side / 48 - 0.5


def test_a_square_of_the_right_size_is_copied(noise):
    np.testing.assert_array_equal(crop_faces(noise, [Box(7, 5, 48, 48)], EXACT)[0], noise[5:53, 7:55])
    np.testing.assert_array_equal(crop_faces(noise[:48, :48], [Box(0, 0, 48, 48)], EXACT)[0], noise[:48, :48])


@pytest.mark.parametrize("side", [20.0, 48.0, 61.3, 96.0, 171.7])
@pytest.mark.parametrize("start", [10.0, 12.3, 20.75])
def test_pixels_are_where_they_belong_to_a_fraction_of_a_pixel(start, side):
    slope = 255 / (start + side)  # as steep as can be, for grey values are whole numbers
    across = crop_faces(ramp(slope), [Box(start, 15, side, side)], EXACT)[0]
    down = crop_faces(np.ascontiguousarray(ramp(slope).T), [Box(15, start, side, side)], EXACT)[0]
    np.testing.assert_allclose(across, np.tile(slope * middles(start, side), (48, 1)), atol=1.2)
    np.testing.assert_allclose(down, np.tile(slope * middles(start, side)[:, None], 48), atol=1.2)


def test_the_square_has_the_area_of_the_box_times_the_geometry():
    box = Box(50, 40, 32, 72)  # of size 48, about column 66
    crop = crop_faces(ramp(2.5), [box], CropGeometry(scale=1.5, shift=0.0))[0]
    np.testing.assert_allclose(crop[0], 2.5 * middles(66 - 36, 72), atol=1.2)


def test_the_shift_is_a_fraction_of_the_height_downwards():
    box = Box(60, 0, 32, 72)  # of size 48, about row 36
    crop = crop_faces(np.ascontiguousarray(ramp(2.5).T), [box], CropGeometry(scale=1.0, shift=0.25))[0]
    np.testing.assert_allclose(crop[:, 0], 2.5 * middles(36 + 18 - 24, 48), atol=1.2)


def test_faces_at_the_edge_are_padded_with_the_border_and_not_squeezed(noise):
    padded = cv2.copyMakeBorder(noise, 20, 20, 20, 20, cv2.BORDER_REPLICATE)
    for x, y in [(-13, -6), (50, 30), (-20, 32)]:
        crop = crop_faces(noise, [Box(x, y, 48, 48)], EXACT)[0]
        np.testing.assert_array_equal(crop, padded[y + 20 : y + 68, x + 20 : x + 68])


def test_a_square_outside_the_frame_shows_its_border(noise):
    right, left = crop_faces(noise, [Box(500, 5, 48, 48), Box(-500, 5, 48, 48)], EXACT)
    np.testing.assert_array_equal(right, noise[5:53, -1:].repeat(48, 1))
    np.testing.assert_array_equal(left, noise[5:53, :1].repeat(48, 1))


@pytest.mark.parametrize("side", [144.0, 150.0, 192.0])
def test_shrinking_takes_the_mean_of_an_area(side):
    checks = (np.indices((200, 200)).sum(axis=0) % 2 * 200).astype(np.uint8)
    crop = crop_faces(checks, [Box(2, 3, side, side)], EXACT)[0]
    assert np.abs(crop.astype(float) - 100).max() < 30


def test_each_face_has_its_crop_in_the_order_of_the_boxes():
    crops = crop_faces(ramp(1.0), [Box(10, 10, 4, 4), Box(200, 10, 4, 4), Box(100, 10, 4, 4)], EXACT, size=16)
    assert crops.shape == (3, 16, 16) and crops.dtype == np.uint8
    np.testing.assert_allclose(crops.mean(axis=(1, 2)), [11.5, 201.5, 101.5], atol=0.5)


def test_no_faces_give_no_crops(noise):
    assert crop_faces(noise, [], EXACT).shape == (0, 48, 48)


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (1, 1)])
def test_a_frame_one_pixel_high_or_wide_can_be_cropped(shape):
    crop = crop_faces(np.full(shape, 9, np.uint8), [Box(0, 0, shape[1], shape[0]), Box(0, 0, 0, 0)], EXACT)
    assert (crop == 9).all()


def test_a_frame_wider_than_opencv_can_warp():
    frame = np.zeros((50, 40_000), np.uint8)
    frame[:, 36_000:36_048] = 255
    assert crop_faces(frame, [Box(36_000, 1, 48, 48)], EXACT).min() == 255


def test_colours_are_cut_as_grey_is(noise):
    colours = np.stack([noise, noise // 2, noise // 3], axis=-1)
    square = cut_square(colours, 30.5, 30.0, 40.0, 24)
    assert square.shape == (24, 24, 3)
    np.testing.assert_array_equal(square[..., 0], cut_square(noise, 30.5, 30.0, 40.0, 24))


def eyes(x: float, y: float, apart: float, roll: float) -> np.ndarray:
    """Landmarks whose eyes lie about a place, on a line that is turned by `roll`."""
    dx, dy = apart / 2 * math.cos(roll), apart / 2 * math.sin(roll)
    return np.array([[x - dx, y - dy], [x + dx, y + dy], [x, y], [x, y], [x, y]])


@pytest.mark.parametrize("degrees", [-170, -90, -35, 20, 90])
def test_a_turned_face_is_cropped_upright(degrees):
    """As the face of the upright frame is, where the frame is turned about any place."""
    smooth = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (400, 400), np.uint8), (0, 0), 5)
    frame = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    geometry, box = CropGeometry(scale=1.2, shift=0.1), Box(180, 150, 60, 80)
    upright = crop_faces(frame, [box], geometry)[0]

    to_turned = cv2.getRotationMatrix2D((200, 200), -degrees, 1)  # OpenCV counts the other way
    turned = cv2.warpAffine(frame, to_turned, (400, 400), flags=cv2.INTER_CUBIC)
    x, y = to_turned @ [*np.subtract(box.center, 0.5), 1] + 0.5  # OpenCV counts from the middle of a pixel
    landmarks = eyes(x, y, 30, math.radians(degrees))
    face = DetectedFace.of(Box(x - 30, y - 40, 60, 80), landmarks=landmarks)
    assert face.roll == pytest.approx(math.radians(degrees))
    difference = crop_faces(turned, [face], geometry)[0].astype(int) - upright
    assert np.abs(difference).max() <= 8 and np.abs(difference).mean() < 1.5


def test_level_eyes_and_no_landmarks_change_no_pixel(noise):
    box = Box(7.3, 5.6, 41, 44)
    level = DetectedFace.of(box, landmarks=eyes(30, 20, 20, 0.0))
    plain, unknown, turned = crop_faces(noise, [box, DetectedFace.of(box, 0.9), level], EXACT)
    np.testing.assert_array_equal(unknown, plain)
    np.testing.assert_array_equal(turned, plain)


def test_eyes_of_a_profile_say_nothing():
    """Their line may have any direction."""
    box = Box(10, 10, 40, 40)
    assert DetectedFace.of(box, landmarks=eyes(30, 20, 5, 1.2)).roll == 0.0
    assert DetectedFace.of(box, landmarks=eyes(30, 20, 7, 1.2)).roll == pytest.approx(1.2)
    assert DetectedFace.of(box, landmarks=np.full((5, 2), 30.0)).roll == 0.0


def test_a_turned_square_at_the_edge_is_padded_with_the_border():
    frame = np.full((60, 80), 7, np.uint8)
    frame[:, :40] = 200
    for x in (-500, 0, 79, 500):
        turned = cut_square(frame, x, 30, 48, 48, roll=0.6)
        assert set(np.unique(turned)) <= set(range(7, 201))
    assert (cut_square(frame, -500, 30, 48, 48, roll=0.6) == 200).all()
    assert (cut_square(frame, 500, 30, 48, 48, roll=0.6) == 7).all()
