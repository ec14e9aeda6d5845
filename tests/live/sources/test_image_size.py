import io
import struct
import zlib

import cv2
import numpy as np
import pytest

from femo_jax.errors import ConfigError, SourceError
from femo_jax.live.sources.image_size import declared_size, excessive_size
from femo_jax.live.sources.images import read_image

_IMAGE = np.random.default_rng(0).integers(0, 255, (80, 100, 3)).astype(np.uint8)


def _png(width: int, height: int) -> bytes:
    """A small file with a valid header of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def _jpeg(width: int, height: int) -> bytes:
    """A small file whose frame header declares any size, behind a segment that holds a smaller image."""
    whole = cv2.imencode(".jpg", _IMAGE)[1].tobytes()
    place = whole.index(b"\xff\xc0")
    large = whole[: place + 5] + struct.pack(">HH", height, width) + whole[place + 9 :]
    return large[:2] + b"\xff\xe1" + struct.pack(">H", len(whole) + 2) + whole + large[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif", ".ppm", ".jp2"])
def test_the_size_in_a_header_is_that_of_the_image(suffix):
    contents = cv2.imencode(suffix, _IMAGE)[1].tobytes()
    assert declared_size(contents) == (100, 80)
    for length in range(0, len(contents), max(1, len(contents) // 50)):
        assert declared_size(contents[:length]) in ((100, 80), (0, 0))


@pytest.mark.parametrize(
    ("suffix", "options"), [(".webp", {"lossless": True}), (".gif", {}), (".webp", {"exif": b"x"})]
)
def test_the_size_in_headers_that_pillow_writes(suffix, options):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(_IMAGE).save(file, suffix[1:], **options)
    assert declared_size(file.getvalue()) == (100, 80)


def test_the_size_in_the_header_of_an_avif():
    header = b"\0\0\0\x1cftypavif" + b"\0" * 16 + b"ispe" + struct.pack(">III", 0, 100, 80)
    assert declared_size(header) == (100, 80)


@pytest.mark.parametrize("contents", [_png(32_000, 32_000), _jpeg(32_000, 32_000)], ids=["png", "jpeg"])
def test_an_image_that_declares_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch, contents):
    path = tmp_path / "large.img"
    path.write_bytes(contents)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    message = r"large\.img: declares 32000x32000 pixels; expected at most 100,000,000. .*FEMO_MAX_IMAGE_PIXELS"
    with pytest.raises(SourceError, match=message):
        read_image(path)


def test_the_limit_can_be_raised_and_lowered(tmp_path, monkeypatch):
    contents = cv2.imencode(".png", _IMAGE)[1].tobytes()
    assert excessive_size(contents) is None
    monkeypatch.setenv("FEMO_MAX_IMAGE_PIXELS", "7999")
    assert "expected at most 7,999" in excessive_size(contents)
    monkeypatch.setenv("FEMO_MAX_IMAGE_PIXELS", str(10**10))
    assert excessive_size(_png(32_000, 32_000)) is None


@pytest.mark.parametrize("value", ["many", "-1", "0", "1e8"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("FEMO_MAX_IMAGE_PIXELS", value)
    with pytest.raises(ConfigError, match=r"FEMO_MAX_IMAGE_PIXELS is .*; expected a positive number of pixels"):
        excessive_size(_png(4, 4))
