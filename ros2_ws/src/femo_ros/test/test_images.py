"""Images of messages to arrays: every encoding, padded rows, both byte orders, and what is refused."""

from array import array

import cv2
import numpy as np
import pytest
from femo_ros.images import (
    ENCODINGS,
    ImageError,
    decode_compressed,
    decode_compressed_depth,
    decode_depth,
    decode_image,
    encode_jpeg,
)

WIDTH, HEIGHT = 24, 16
BLUE, GREEN, RED = (200, 30, 10), (20, 180, 40), (15, 25, 220)


def image():
    """Three vertical bands, blue, green and red, `[16, 24, 3] uint8` BGR; grey values differ too."""
    bands = np.array([BLUE, GREEN, RED], np.uint8).repeat(WIDTH // 3, axis=0)
    return np.broadcast_to(bands, (HEIGHT, WIDTH, 3)).copy()


def grey():
    """A ramp without symmetry, `[16, 24] uint8`."""
    return np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH).astype(np.uint8)


def message(encoding, rows, padding=0, is_bigendian=False, height=HEIGHT, width=WIDTH):
    """The arguments of `decode_image` for rows of numbers; padding bytes are 0xEE, which show when they are read."""
    rows = np.ascontiguousarray(rows)
    lines = rows.reshape(rows.shape[0], -1).view(np.uint8)
    padded = np.pad(lines, ((0, 0), (0, padding)), constant_values=0xEE)
    return encoding, height, width, padded.shape[1], is_bigendian, array("B", padded.tobytes())


def planes():
    """Brightness `[16, 24]` and the colours U and V `[8, 12]` of the image, by BT.601 as cameras give them."""
    values = cv2.cvtColor(image(), cv2.COLOR_BGR2YUV_I420).ravel()
    brightness, u, v = np.split(values, [HEIGHT * WIDTH, HEIGHT * WIDTH * 5 // 4])
    return brightness.reshape(HEIGHT, WIDTH), u.reshape(HEIGHT // 2, -1), v.reshape(HEIGHT // 2, -1)


def packed(first, second):
    """YUV 4:2:2 of the image: `first` and `second` are the places of brightness and colour in a pair of bytes."""
    brightness, u, v = planes()
    pairs = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    pairs[..., first] = brightness
    pairs[:, 0::2, second] = u.repeat(2, axis=0)
    pairs[:, 1::2, second] = v.repeat(2, axis=0)
    return pairs


def planar(first, second):
    """YUV 4:2:0 of the image: rows of brightness, then half as many in which two colours alternate."""
    colour = np.stack([planes()[first], planes()[second]], axis=-1)
    return np.concatenate([planes()[0], colour.reshape(HEIGHT // 2, WIDTH)])


def mosaic(names):
    """The image behind a colour filter: `names` are the colours of the first two pixels of the first two rows."""
    channels = ["bgr".index(name) for name in names]
    values = np.empty((HEIGHT, WIDTH), np.uint8)
    for place, channel in enumerate(channels):
        row, column = divmod(place, 2)
        values[row::2, column::2] = image()[row::2, column::2, channel]
    return values


def with_alpha(pixels):
    """The same pixels with an alpha that must not show."""
    return np.dstack([pixels, np.full((HEIGHT, WIDTH), 77, np.uint8)])


RGB = image()[..., ::-1]
EXACT = {
    "bgr8": image(),
    "8UC3": image(),
    "rgb8": RGB,
    "bgra8": with_alpha(image()),
    "8UC4": with_alpha(image()),
    "rgba8": with_alpha(RGB),
}
YUV = {
    "yuv422": packed(1, 0),
    "uyvy": packed(1, 0),
    "yuv422_yuy2": packed(0, 1),
    "yuyv": packed(0, 1),
    "nv12": planar(1, 2),
    "nv21": planar(2, 1),
}
BAYER = {f"bayer_{names}8": mosaic(names) for names in ("rggb", "bggr", "gbrg", "grbg")}
GREY = {"mono8", "8UC1", "mono16", "16UC1"}


def test_every_encoding_is_tested():
    """A new encoding needs a line above."""
    assert set(ENCODINGS) == GREY | EXACT.keys() | YUV.keys() | BAYER.keys()


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", EXACT)
def test_colours_become_bgr(encoding, padding):
    """To the bit, whatever stands between the rows."""
    decoded = decode_image(*message(encoding, EXACT[encoding], padding))
    np.testing.assert_array_equal(decoded, image())


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", YUV)
def test_yuv_becomes_bgr(encoding, padding):
    """Each band keeps its colour; where colours are stored for two pixels, the border between bands may not."""
    decoded = decode_image(*message(encoding, YUV[encoding], padding))
    assert decoded.shape == (HEIGHT, WIDTH, 3)
    for band, colour in enumerate([BLUE, GREEN, RED]):
        inside = decoded[:, 8 * band + 2 : 8 * band + 6]
        assert np.abs(inside.astype(int) - colour).max() <= 6


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("encoding", BAYER)
def test_red_stays_red_behind_every_colour_filter(encoding, padding):
    """Inside a band all neighbours have its colour, so that it comes out as it was."""
    decoded = decode_image(*message(encoding, BAYER[encoding], padding))
    for band, colour in enumerate([BLUE, GREEN, RED]):
        np.testing.assert_array_equal(decoded[2:-2, 8 * band + 2 : 8 * band + 6], np.broadcast_to(colour, (12, 4, 3)))


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_stays_grey(encoding, padding):
    """One channel in, one channel out."""
    np.testing.assert_array_equal(decode_image(*message(encoding, grey(), padding)), grey())


@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_sixteen_bits_in_both_byte_orders(encoding, is_bigendian, padding):
    """Also where an odd step leaves the numbers at odd addresses."""
    values = grey().astype(np.uint16) * 257 - 3
    stored = values.astype(">u2" if is_bigendian else "<u2")
    decoded = decode_image(*message(encoding, stored, padding, is_bigendian))
    assert decoded.dtype == np.uint16
    assert decoded.dtype.isnative
    assert decoded.flags.aligned
    np.testing.assert_array_equal(decoded, values)


@pytest.mark.parametrize("encoding", ["mono8", "bgr8"])
def test_bytes_that_are_the_answer_are_not_copied(encoding):
    """The array shows the message's own memory, and cannot write to it."""
    rows = grey() if encoding == "mono8" else image()
    arguments = message(encoding, rows, padding=4)
    decoded = decode_image(*arguments)
    assert np.shares_memory(decoded, np.frombuffer(arguments[-1], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        decoded[0, 0] = 1


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_of_bytes_is_taken(kind):
    """Messages hold an array, other sources bytes."""
    *form, data = message("bgr8", image())
    np.testing.assert_array_equal(decode_image(*form, kind(data.tobytes())), image())


def test_a_frame_of_8k():
    """Nothing in the way limits the size."""
    data = np.zeros(4320 * 7680 * 3, np.uint8)
    data[-1] = 9
    decoded = decode_image("bgr8", 4320, 7680, 7680 * 3, False, data)
    assert decoded.shape == (4320, 7680, 3)
    assert decoded[-1, -1, 2] == 9


@pytest.mark.parametrize(
    ("encoding", "height", "width", "step", "size", "expected"),
    [
        ("mono8", 0, 4, 4, 0, "at least 1"),
        ("mono8", 4, 0, 0, 0, "at least 1"),
        ("bgr8", 4, 4, 11, 44, "a step of at least 12"),
        ("mono16", 4, 4, 4, 16, "a step of at least 8"),
        ("yuv422", 4, 4, 4, 16, "a step of at least 8"),
        ("bgr8", 4, 4, 12, 47, "48 bytes, 4 rows of 12"),
        ("bgr8", 4, 4, 12, 49, "48 bytes, 4 rows of 12"),
        ("bgr8", 4, 4, 12, 0, "48 bytes"),
        ("nv12", 4, 4, 4, 16, "24 bytes, 6 rows of 4"),
        ("nv12", 3, 4, 4, 16, "even width and height"),
        ("nv21", 4, 3, 3, 18, "even width and height"),
        ("yuv422", 4, 3, 6, 24, "even width"),
        ("bayer_rggb8", 2, 4, 4, 8, "at least 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(encoding, height, width, step, size, expected):
    """The message names the encoding, the sizes and what was expected."""
    with pytest.raises(ImageError, match=expected) as error:
        decode_image(encoding, height, width, step, False, bytes(size))
    assert f"{encoding} image of {width}x{height} pixels, step {step}, {size} bytes" in str(error.value)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize(("encoding", "kind"), [("16UC1", "u2"), ("mono16", "u2"), ("32FC1", "f4")])
def test_depths_keep_their_numbers(encoding, kind, is_bigendian, padding):
    """In both byte orders, with rows of any alignment, and without a copy."""
    depths = (np.arange(6).reshape(2, 3) * 300 + 1).astype(f"{'>' if is_bigendian else '<'}{kind}")
    rows = np.pad(depths.view(np.uint8).reshape(2, -1), ((0, 0), (0, padding)))
    data = array("B", rows.tobytes())
    found = decode_depth(encoding, 2, 3, rows.shape[1], is_bigendian, data)
    assert found.tolist() == depths.tolist()
    assert np.shares_memory(found, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ("encoding", "size", "words"), [("bgr8", 48, "'bgr8'; expected 16UC1 or 32FC1"), ("32FC1", 47, "48 bytes")]
)
def test_what_is_no_depth_image_is_refused(encoding, size, words):
    with pytest.raises(ImageError, match=words):
        decode_depth(encoding, 3, 4, 16, False, bytes(size))


def compressed_depth(numbers, a=0.0, b=0.0):
    """The bytes of compressedDepth: a header, and a PNG of the numbers."""
    return np.array([0.0, a, b], "<f4").tobytes() + cv2.imencode(".png", numbers)[1].tobytes()


@pytest.mark.parametrize("form", ["16UC1", "16UC1; compressedDepth", "16UC1; compressedDepth png"])
def test_compressed_depths_of_millimetres(form):
    """Of old and of new publishers."""
    numbers = np.arange(12, dtype=np.uint16).reshape(3, 4) * 500
    np.testing.assert_array_equal(decode_compressed_depth(form, array("B", compressed_depth(numbers))), numbers)


def test_compressed_depths_of_metres():
    """They are inverse: with the quantisation of 100 and the largest depth of 10 m that publishers have by default."""
    metres = np.array([[0.5, 1.0, 2.0], [4.0, 8.0, 20.0]], np.float32)
    a = 100 * 101.0
    b = 1 - a / 10
    numbers = np.where(metres < 10, a / metres + b, 0).astype(np.uint16)
    found = decode_compressed_depth("32FC1; compressedDepth png", compressed_depth(numbers, a, b))
    np.testing.assert_allclose(found, np.where(metres < 10, metres, np.nan), rtol=0.001)


@pytest.mark.parametrize(
    ("form", "contents", "words"),
    [
        ("16UC1; compressedDepth rvl", b"", "expected 16UC1 or 32FC1, and compressedDepth png"),
        ("bgr8; jpeg compressed bgr8", b"", "'bgr8; jpeg compressed bgr8'"),
        ("16UC1; compressedDepth png", b"", "of 0 bytes without a PNG"),
        ("16UC1; compressedDepth png", compressed_depth(np.ones((4, 4), np.uint16))[:-20], "cut off or damaged"),
        ("32FC1; compressedDepth png", compressed_depth(np.ones((4, 4), np.uint8)), "uint8 .*expected 16-bit grey"),
    ],
)
def test_what_is_no_compressed_depth_image_is_refused(form, contents, words):
    """With what was expected."""
    with pytest.raises(ImageError, match=words):
        decode_compressed_depth(form, contents)


@pytest.mark.parametrize("encoding", ["", "mono32", "32FC1", "BGR8", "jpeg"])
def test_unknown_encodings_are_refused(encoding):
    """With the list of those that are known."""
    with pytest.raises(ImageError, match="bayer_rggb8") as error:
        decode_image(encoding, 4, 4, 16, False, bytes(64))
    assert repr(encoding) in str(error.value)


def stored(suffix, pixels):
    """An image as the data of a compressed message."""
    return array("B", cv2.imencode(suffix, pixels)[1].tobytes())


def test_png_comes_back_to_the_bit():
    """In colour, with an alpha that is left out, and in grey of 8 and 16 bits."""
    np.testing.assert_array_equal(decode_compressed(stored(".png", image())), image())
    np.testing.assert_array_equal(decode_compressed(stored(".png", with_alpha(image()))), image())
    np.testing.assert_array_equal(decode_compressed(stored(".png", grey())), grey())
    deep = grey().astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_compressed(stored(".png", deep)), deep)


def test_png_of_deep_colours_becomes_8_bits():
    """65535 is 255."""
    decoded = decode_compressed(stored(".png", image().astype(np.uint16) * 257))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, image())


def test_jpeg_is_decoded():
    """Nearly as it was, in colour and in grey."""
    decoded = decode_compressed(stored(".jpg", image()))
    assert np.abs(decoded[:, 2:6].astype(int) - BLUE).max() < 20
    assert decode_compressed(stored(".jpg", np.full((HEIGHT, WIDTH), 99, np.uint8))).shape == (HEIGHT, WIDTH)


def test_a_rotation_noted_in_a_jpeg_is_left_out():
    """Boxes must fit the pixels that other subscribers see."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    plain = stored(".jpg", image()).tobytes()
    turned = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (WIDTH, HEIGHT, 3)
    assert decode_compressed(turned).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_is_cut_off_is_refused(suffix):
    """Half an image is none."""
    whole = stored(suffix, np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)).tobytes()
    with pytest.raises(ImageError, match="cut off"):
        decode_compressed(whole[: len(whole) // 2])


def test_a_jpeg_without_its_end_is_refused():
    """By every OpenCV: older ones take it for whole, however much is missing."""
    whole = stored(".jpg", image()).tobytes()
    with pytest.raises(ImageError, match="no end marker"):
        decode_compressed(whole[:-2])


def test_a_damaged_header_is_refused():
    """A length that points out of the file."""
    whole = bytearray(stored(".jpg", image()).tobytes())
    whole[4:6] = b"\xff\xff"
    with pytest.raises(ImageError, match="damaged"):
        decode_compressed(whole)


@pytest.mark.parametrize("data", [b"", b"\xff", b"RIFF....WEBPVP8 ", b"\0" * 12 + b"\x89PNG\r\n\x1a\n"])
def test_other_formats_are_refused(data):
    """The message shows how they begin."""
    with pytest.raises(ImageError, match="neither JPEG nor PNG"):
        decode_compressed(data)


def test_jpeg_quality():
    """Better is larger and nearer to the truth; grey stays grey."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    small, large = encode_jpeg(noise, 20), encode_jpeg(noise, 95)
    assert isinstance(small, bytes)
    assert len(small) < len(large) / 2
    assert np.abs(decode_compressed(large).astype(int) - noise).mean() < 3
    assert decode_compressed(encode_jpeg(image(), 90)).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("shape", [(0, 0, 3), (1, 65_501, 3)])
def test_images_that_no_jpeg_holds(shape):
    """The message names the shape."""
    with pytest.raises(ImageError, match=str(shape[1])):
        encode_jpeg(np.zeros(shape, np.uint8), 90)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_compressed_image_that_declares_too_many_pixels_is_refused_before_it_is_decoded(suffix, monkeypatch):
    """The header alone is read."""
    whole = bytearray(stored(suffix, image()).tobytes())
    if suffix == ".png":
        whole[16:24] = (60_000).to_bytes(4, "big") * 2
    else:
        place = whole.index(b"\xff\xc0")
        whole[place + 5 : place + 9] = (60_000).to_bytes(2, "big") * 2
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ImageError, match="declares 60000x60000 pixels; expected at most 100,000,000"):
        decode_compressed(whole)
