"""Images of `sensor_msgs` as numpy arrays, with numpy and OpenCV alone: no cv_bridge, no ROS.

Raw images come in the encodings of `sensor_msgs/image_encodings.hpp`, in rows of `step` bytes that may end in padding;
compressed images are JPEG or PNG.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from femo_jax.live.sources.image_size import excessive_size


class ImageError(ValueError):
    """An image message that cannot be decoded, or an image that cannot be encoded."""


@dataclass(frozen=True)
class _Encoding:
    """How the pixels of an encoding lie in memory.

    Attributes:
      channels: numbers a pixel in each row.
      bits: of each number.
      conversion: OpenCV's code of the way to BGR; None where the numbers are grey or BGR already.
      even: the sizes that must be even, since pixels share their colour: "", "width" or "width and height".
      smallest: the smallest width and height.
      chroma: half as many rows of colour follow the rows of brightness.
    """

    channels: int
    bits: int = 8
    conversion: int | None = None
    even: str = ""
    smallest: int = 1
    chroma: bool = False


_GREY = _Encoding(1)
_GREY16 = _Encoding(1, bits=16)
_BGR = _Encoding(3)
_BGRA = _Encoding(4, conversion=cv2.COLOR_BGRA2BGR)
_UYVY = _Encoding(2, conversion=cv2.COLOR_YUV2BGR_UYVY, even="width")
_YUYV = _Encoding(2, conversion=cv2.COLOR_YUV2BGR_YUY2, even="width")


def _half_resolution_colour(conversion: int) -> _Encoding:
    return _Encoding(1, conversion=conversion, even="width and height", chroma=True)


def _bayer(conversion: int) -> _Encoding:
    # A pixel's colour is made from its eight neighbours; OpenCV paints smaller mosaics black.
    return _Encoding(1, conversion=conversion, smallest=3)


_ENCODINGS = {
    "mono8": _GREY,
    "8UC1": _GREY,
    "mono16": _GREY16,
    "16UC1": _GREY16,
    "bgr8": _BGR,
    "8UC3": _BGR,
    "rgb8": _Encoding(3, conversion=cv2.COLOR_RGB2BGR),
    "bgra8": _BGRA,
    "8UC4": _BGRA,
    "rgba8": _Encoding(4, conversion=cv2.COLOR_RGBA2BGR),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": _half_resolution_colour(cv2.COLOR_YUV2BGR_NV12),
    "nv21": _half_resolution_colour(cv2.COLOR_YUV2BGR_NV21),
    # ROS names a mosaic by the colours of its first two rows. OpenCV's older names (BayerBG for rggb) are shifted.
    "bayer_rggb8": _bayer(cv2.COLOR_BayerRGGB2BGR),
    "bayer_bggr8": _bayer(cv2.COLOR_BayerBGGR2BGR),
    "bayer_gbrg8": _bayer(cv2.COLOR_BayerGBRG2BGR),
    "bayer_grbg8": _bayer(cv2.COLOR_BayerGRBG2BGR),
}

ENCODINGS = tuple(_ENCODINGS)
"""The encodings that `decode_image` takes."""


def decode_image(encoding: str, height: int, width: int, step: int, is_bigendian: bool, data: Any) -> np.ndarray:
    """The pixels of a `sensor_msgs/Image`.

    Args:
      encoding: one of `ENCODINGS`.
      height: in pixels.
      width: in pixels.
      step: bytes from the start of a row to the start of the next.
      is_bigendian: numbers of 16 bits have their high byte first.
      data: any object with a buffer of bytes, `step` for each row. Nothing is copied where the bytes are the answer:
        it must then live, unchanged, as long as the array.

    Returns:
      `[height, width]` of grey, uint8 or uint16, or `[height, width, 3] uint8` BGR. Read-only where it shows `data`.

    Raises:
      ImageError: the encoding is unknown, a size is zero or does not suit the encoding, rows are longer than `step`,
        or `data` has another length than it should.
    """
    form = _ENCODINGS.get(encoding)
    if form is None:
        raise ImageError(f"image of unknown encoding {encoding!r}; expected one of {', '.join(ENCODINGS)}")
    rows = height * 3 // 2 if form.chroma else height
    _check(encoding, form, height, width, step, rows, memoryview(data).nbytes)
    order = ">" if is_bigendian else "<"
    pixel = form.channels * form.bits // 8
    numbers = np.ndarray(
        (rows, width, form.channels), np.dtype(f"{order}u{form.bits // 8}"), data, 0, (step, pixel, form.bits // 8)
    )
    if form.channels == 1:
        numbers = numbers[..., 0]
    if form.conversion is not None:
        return cv2.cvtColor(numbers, form.conversion)
    if not (numbers.dtype.isnative and numbers.flags.aligned):
        return numbers.astype(np.uint16)
    numbers.flags.writeable = False
    return numbers


_DEPTHS = {"16UC1": np.dtype(np.uint16), "mono16": np.dtype(np.uint16), "32FC1": np.dtype(np.float32)}


def decode_depth(encoding: str, height: int, width: int, step: int, is_bigendian: bool, data: Any) -> np.ndarray:
    """The distances of a `sensor_msgs/Image` that is a depth image, as REP-118 has it.

    Args:
      encoding: 16UC1 (millimetres) or 32FC1 (metres); mono16 is taken as 16UC1.
      height: in pixels.
      width: in pixels.
      step: bytes from the start of a row to the start of the next.
      is_bigendian: numbers have their high byte first.
      data: any object with a buffer of bytes, `step` for each row; nothing is copied.

    Returns:
      `[height, width]`, uint16 or float32, in the byte order of `data`. It shows `data`.

    Raises:
      ImageError: the encoding is no depth image's, or the sizes do not fit.
    """
    kind = _DEPTHS.get(encoding)
    if kind is None:
        raise ImageError(f"depth image of encoding {encoding!r}; expected 16UC1 or 32FC1")
    _check(encoding, _Encoding(1, bits=8 * kind.itemsize), height, width, step, height, memoryview(data).nbytes)
    order = kind.newbyteorder(">" if is_bigendian else "<")
    return np.ndarray((height, width), order, data, 0, (step, kind.itemsize))


def _check(encoding: str, form: _Encoding, height: int, width: int, step: int, rows: int, size: int) -> None:
    """Refuse an image of the wrong size with ImageError."""
    problem = _problem(form, height, width, step, rows, size)
    if problem:
        raise ImageError(f"{encoding} image of {width}x{height} pixels, step {step}, {size} bytes: {problem}")


def _problem(form: _Encoding, height: int, width: int, step: int, rows: int, size: int) -> str:
    """What is wrong with the sizes of an image, or nothing."""
    row = width * form.channels * form.bits // 8
    if min(width, height) < form.smallest:
        return f"expected a width and a height of at least {form.smallest}"
    if form.even and (width % 2 or (form.even != "width" and height % 2)):
        return f"expected an even {form.even}"
    if step < row:
        return f"expected a step of at least {row}, the length of a row"
    if size != step * rows:
        return f"expected {step * rows} bytes, {rows} rows of {step}"
    return ""


_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"


def decode_compressed(data: Any) -> np.ndarray:
    """The pixels of a `sensor_msgs/CompressedImage`, as they are stored: a rotation noted in the file is left out.

    Args:
      data: a JPEG or PNG file as any object with a buffer of bytes.

    Returns:
      `[height, width]` of grey, uint8 or uint16, or `[height, width, 3] uint8` BGR.

    Raises:
      ImageError: it is neither JPEG nor PNG, or it is cut off or damaged, or it declares more pixels than femo
        decodes, see `femo_jax.live.sources.image_size`.
    """
    contents = bytes(data)
    if not contents.startswith((_JPEG, _PNG)):
        raise ImageError(f"compressed image of {len(contents)} bytes that is neither JPEG nor PNG: {contents[:8]!r}...")
    kind = "JPEG" if contents.startswith(_JPEG) else "PNG"
    if too_large := excessive_size(contents):
        raise ImageError(f"{kind} image of {len(contents)} bytes that {too_large}")
    # Older OpenCV fills the rest of a cut-off JPEG with black without an error.
    if kind == "JPEG" and contents.rfind(_JPEG_END) < 0:
        raise ImageError(f"{kind} image of {len(contents)} bytes that is cut off: it has no end marker")
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(contents, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"{kind} image of {len(contents)} bytes: OpenCV refuses it ({error.err})") from error
    if image is None:
        raise ImageError(f"{kind} image of {len(contents)} bytes that is cut off or damaged")
    if image.ndim == 3 and image.dtype == np.uint16:
        return cv2.convertScaleAbs(image, alpha=1 / 257)
    return image


_DEPTH_HEADER = 12  # bytes: a number of the coding, and two float32 of it


def decode_compressed_depth(form: str, data: Any) -> np.ndarray:
    """The distances of a `sensor_msgs/CompressedImage` of image_transport's `compressedDepth`, compressed as PNG.

    A header of 12 bytes stands before the PNG of 16-bit numbers. Those of 16UC1 are millimetres; those of 32FC1 are
    inverse depths, where the distance is `a / (number - b)` with a and b from the header, and 0 is unknown.

    Args:
      form: `format` of the message, such as `16UC1; compressedDepth png`.
      data: any object with a buffer of bytes.

    Returns:
      `[height, width]`, uint16 in millimetres or float32 in metres; unknown distances are 0 or NaN.

    Raises:
      ImageError: it is no depth image, is compressed in another way (`rvl`), or is cut off or damaged.
    """
    encoding, _, coding = (part.strip() for part in form.partition(";"))
    if encoding not in _DEPTHS or coding not in ("", "compressedDepth", "compressedDepth png"):
        raise ImageError(f"depth image of format {form!r}; expected 16UC1 or 32FC1, and compressedDepth png")
    contents = bytes(data)
    if not contents[_DEPTH_HEADER:].startswith(_PNG):
        raise ImageError(f"{encoding} depth image of {len(contents)} bytes without a PNG after its header")
    numbers = decode_compressed(contents[_DEPTH_HEADER:])
    if numbers.ndim != 2 or numbers.dtype != np.uint16:
        raise ImageError(
            f"{encoding} depth image whose PNG is {numbers.dtype} {list(numbers.shape)}; expected 16-bit grey"
        )
    if _DEPTHS[encoding] == np.uint16:
        return numbers
    _, a, b = np.frombuffer(contents[:_DEPTH_HEADER], "<f4")
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = a / (numbers.astype(np.float32) - b)
    return np.where(numbers > 0, metres, np.float32(np.nan))


def encode_jpeg(bgr: np.ndarray, quality: int) -> bytes:
    """An image as a JPEG file.

    Args:
      bgr: `[height, width, 3] uint8` BGR, or `[height, width] uint8` grey.
      quality: 1 (small) to 100 (faithful).

    Raises:
      ImageError: the image is empty, or larger than the 65500 pixels a side that OpenCV writes.
    """
    try:
        encoded, contents = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise ImageError(f"image of shape {list(bgr.shape)} cannot become a JPEG ({error.err})") from error
    if not encoded:
        raise ImageError(f"image of shape {list(bgr.shape)} cannot become a JPEG; its sides may have 65500 pixels")
    return contents.tobytes()
