import warnings

import cv2
import numpy as np
import pytest

from femo_jax.live.image import InputImage


@pytest.fixture
def bgr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def luminance(bgr: np.ndarray) -> np.ndarray:
    return bgr @ np.array([0.114, 0.587, 0.299])


def test_size_and_forms(bgr):
    input_image = InputImage(bgr)
    assert (input_image.width, input_image.height) == (40, 30)
    np.testing.assert_array_equal(input_image.bgr, bgr)
    np.testing.assert_allclose(input_image.grey, luminance(bgr), atol=1)
    assert input_image.grey.shape == (30, 40)


def test_forms_are_made_once(bgr):
    input_image = InputImage(bgr)
    assert input_image.grey is input_image.grey
    assert input_image.bgr is input_image.bgr


def test_contiguous_bytes_are_not_copied(bgr):
    grey = bgr[..., 0].copy()
    assert np.shares_memory(InputImage(bgr).bgr, bgr)
    assert np.shares_memory(InputImage(grey).grey, grey)
    assert np.shares_memory(InputImage(grey[..., None]).grey, grey)


def test_forms_cannot_be_drawn_on(bgr):
    input_image = InputImage(bgr)
    for form in (input_image.bgr, input_image.grey):
        with pytest.raises(ValueError, match="read-only"):
            form[0, 0] = 1
    with pytest.raises(cv2.error):
        cv2.rectangle(input_image.bgr, (1, 1), (5, 5), (0, 0, 255))
    assert bgr.flags.writeable


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 1)])
def test_grey(bgr, shape):
    grey = bgr[..., 0].reshape(shape)
    input_image = InputImage(grey)
    np.testing.assert_array_equal(input_image.grey, bgr[..., 0])
    np.testing.assert_array_equal(input_image.bgr, np.stack([bgr[..., 0]] * 3, axis=-1))


def test_alpha_is_left_out(bgr):
    bgra = np.concatenate([bgr, bgr[..., :1]], axis=-1)
    np.testing.assert_array_equal(InputImage(bgra).bgr, bgr)
    np.testing.assert_array_equal(InputImage(bgra).grey, InputImage(bgr).grey)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_sixteen_bits_are_rounded(byte_order):
    every = np.arange(65536).astype(f"{byte_order}u2").reshape(256, 256)
    np.testing.assert_array_equal(InputImage(every).grey, np.rint(np.arange(65536) / 257).reshape(256, 256))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4", ">f8"])
def test_floats_from_0_to_1(bgr, dtype):
    input_image = InputImage((bgr / 255).astype(dtype))
    np.testing.assert_array_equal(input_image.bgr, bgr)
    assert input_image.bgr.dtype == np.uint8


@pytest.mark.parametrize(
    "view",
    [
        lambda image: image[:, ::-1],
        lambda image: image[::2, 3:-3],
        lambda image: image[..., ::-1],
        np.asfortranarray,
        lambda image: image.transpose(1, 0, 2),
        lambda image: (image / 255)[::-1],
        lambda image: (image.astype(np.uint16) * 257)[:, ::-2],
    ],
)
def test_not_contiguous(bgr, view):
    input_image, whole = InputImage(view(bgr)), InputImage(np.ascontiguousarray(view(bgr)))
    np.testing.assert_array_equal(input_image.bgr, whole.bgr)
    np.testing.assert_array_equal(input_image.grey, whole.grey)
    assert input_image.bgr.flags.c_contiguous
    assert input_image.grey.flags.c_contiguous


@pytest.mark.parametrize("shape", [(1, 40, 3), (30, 1, 4), (1, 1), (1, 2000, 1)])
def test_a_pixel_high_or_wide(shape):
    input_image = InputImage(np.full(shape, 7, np.uint8))
    assert input_image.bgr.shape == (*shape[:2], 3)
    assert (input_image.grey == 7).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2], [3, 4]], "not a numpy array but list"),
        (None, "not a numpy array but NoneType"),
        (np.zeros((4, 4), object), "dtype object"),
        (np.zeros((4, 4), bool), "dtype bool"),
        (np.zeros((4, 4), np.int16), "dtype int16"),
        (np.zeros((4, 4), np.uint32), "dtype uint32"),
        (np.zeros((4, 4), np.complex64), "dtype complex64"),
        (np.zeros((4, 4), "S3"), r"dtype \|S3"),
        (np.zeros(4, np.uint8), r"shape \[4\]"),
        (np.zeros((), np.uint8), r"shape \[\]"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \[4, 4, 2\]"),
        (np.zeros((4, 4, 0), np.uint8), r"shape \[4, 4, 0\]"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"shape \[2, 4, 4, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), r"empty image of shape \[0, 4, 3\]"),
        (np.zeros((4, 0), np.float32), "empty"),
    ],
)
def test_what_is_no_image_is_told_what_is_taken(image, message):
    with pytest.raises(ValueError, match=rf"{message}.*An image is a numpy array .* from 0 to 1\."):
        InputImage(image)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value):
    image = np.full((4, 4, 3), 0.5, np.float32)
    image[2, 1, 0] = value
    with warnings.catch_warnings(), pytest.raises(ValueError, match="NaN or infinity"):
        warnings.simplefilter("error")
        InputImage(image)


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.0, 1.0), (0.0, 1.001)])
def test_floats_outside_0_to_1(low, high):
    with pytest.raises(ValueError, match=f"from {low:g} to {high:g}, expected 0 to 1"):
        InputImage(np.array([[low, high]]))
