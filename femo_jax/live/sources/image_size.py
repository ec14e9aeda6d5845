"""Sizes that image files declare in their headers, and the limit above which they are not decoded.

A file of a few kilobytes may declare gigabytes of pixels, which a decoder allocates before it reads the first of them.
"""

import os
import re
import struct

from femo_jax.errors import ConfigError

MAX_PIXELS = 100_000_000
"""Largest width times height that is decoded, three times that of 8K; `$FEMO_MAX_IMAGE_PIXELS` replaces it."""

LIMIT_VARIABLE = "FEMO_MAX_IMAGE_PIXELS"

_FIXED = tuple(
    (re.compile(pattern, re.DOTALL), form)
    for pattern, form in (
        (rb"\x89PNG\r\n\x1a\n.{8}(.{8})", ">II"),
        (rb"GIF8[79]a(.{4})", "<HH"),
        (rb"BM.{12}[\x28-\xff]\0\0\0(.{8})", "<ii"),
        (rb"RIFF.{4}WEBPVP8 .{7}\x9d\x01\x2a(.{4})", "<HH"),
    )
)
"""Formats with width and height, in this order, at a fixed place."""

_JPEG_2000 = re.compile(rb".{4}jP  .{0,64}?ihdr(.{4})(.{4})", re.DOTALL)

_WEBP_EXTENDED = re.compile(rb"RIFF.{4}WEBPVP8X.{8}(.{3})(.{3})", re.DOTALL)
_WEBP_LOSSLESS = re.compile(rb"RIFF.{4}WEBPVP8L.{4}\x2f(.{4})", re.DOTALL)
_NETPBM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})")
_AVIF = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
_AVIF_HEADER_BYTES = 1 << 16
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def excessive_size(contents: bytes) -> str | None:
    """Describes the declared size of an image file that is above the limit; None where it is not.

    Args:
      contents: of the file.

    Raises:
      ConfigError: `$FEMO_MAX_IMAGE_PIXELS` is not a positive integer.
    """
    width, height = declared_size(contents)
    limit = _limit()
    if width * height <= limit:
        return None
    return (
        f"declares {width}x{height} pixels; expected at most {limit:,}. Scale it down, or raise the environment"
        f" variable {LIMIT_VARIABLE}."
    )


def _limit() -> int:
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return MAX_PIXELS
    if not re.fullmatch("[0-9]{1,18}", text) or not int(text):
        raise ConfigError(f"{LIMIT_VARIABLE} is {text!r}; expected a positive number of pixels, such as {MAX_PIXELS}.")
    return int(text)


def declared_size(contents: bytes) -> tuple[int, int]:
    """Width and height in the header of a JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, JPEG 2000 or netpbm file.

    Args:
      contents: of the file.

    Returns:
      Both in pixels, before any rotation; 0 and 0 where the header is of another format or cut off.
    """
    if contents.startswith(b"\xff\xd8"):
        return _jpeg_size(contents)
    if contents[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_size(contents)
    if contents[4:8] == b"ftyp":
        sizes = [struct.unpack(">II", found[1]) for found in _AVIF.finditer(contents[:_AVIF_HEADER_BYTES])]
        return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if found := _NETPBM.match(contents):
        return int(found[1]), int(found[2])
    if found := _WEBP_EXTENDED.match(contents):
        return int.from_bytes(found[1], "little") + 1, int.from_bytes(found[2], "little") + 1
    if found := _WEBP_LOSSLESS.match(contents):
        bits = int.from_bytes(found[1], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if found := _JPEG_2000.match(contents):
        return int.from_bytes(found[2], "big"), int.from_bytes(found[1], "big")
    for pattern, form in _FIXED:
        if found := pattern.match(contents):
            width, height = struct.unpack(form, found[1])
            return abs(width), abs(height)  # the height of a BMP may be negative: its rows begin at the top
    return 0, 0


def _jpeg_size(contents: bytes) -> tuple[int, int]:
    """Width and height in the first frame header."""
    place = 2
    while place + 9 <= len(contents) and contents[place] == 0xFF:
        marker = contents[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", contents, place + 5)
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:  # without a length
            place += 2
        else:
            place += 2 + int.from_bytes(contents[place + 2 : place + 4], "big")
    return 0, 0


def _tiff_size(contents: bytes) -> tuple[int, int]:
    """Width and height in the first directory."""
    order = "<" if contents.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", contents, 4)
        (entries,) = struct.unpack_from(f"{order}H", contents, start)
        values = {}
        for index in range(entries):
            place = start + 2 + 12 * index
            tag, kind = struct.unpack_from(f"{order}HH", contents, place)
            (values[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", contents, place + 8)
    except struct.error:
        return 0, 0
    return values.get(_TIFF_WIDTH, 0), values.get(_TIFF_HEIGHT, 0)
