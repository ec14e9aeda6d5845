"""What a file holds, by its content: one image, an animation, or neither."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.files import library_path, printable
from femo_jax.live.sources.capture import quiet

Kind = Literal["image", "animation", "animated webp", "raw mjpeg", "other"]
"""An `animation` is decoded by FFmpeg like a clip; `other` may be a clip, or anything."""


def content_kind(path: Path) -> Kind:
    """What a file holds; its suffix does not matter.

    Raises:
      SourceError: it cannot be read, or is no regular file.
    """
    try:
        if not path.is_file():
            raise SourceError(f"{printable(path)}: not a regular file. Expected a clip or an image.")
        with path.open("rb") as file:
            head = file.read(64)
        if kind := _kind_by_signature(path, head):
            return kind
        with quiet, library_path(path) as name:
            return "image" if cv2.haveImageReader(name) else "other"
    except OSError as error:
        raise SourceError(f"{printable(path)}: cannot be read ({error.strerror}). Check the path.") from error


def _kind_by_signature(path: Path, head: bytes) -> Kind | None:
    if head.startswith(b"\xff\xd8"):
        return "raw mjpeg" if _is_raw_mjpeg(path.read_bytes()) else "image"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "animation" if b"acTL" in _png_chunks(path.read_bytes()) else "image"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "animation" if _gif_images(path.read_bytes()) > 1 else "image"
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        return "animated webp" if head[20] & 2 else "image"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "image" if brand == b"avif" else "animation" if brand == b"avis" else "other"
    return None


def on_white(image: np.ndarray) -> np.ndarray:
    """Lays an image `[h, w, 4] uint8` BGRA on white, as viewers do; `[h, w, 3] uint8` BGR."""
    alpha = image[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(image[..., :3])
    return ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def jpeg_end(contents: bytes) -> int:
    """Index behind the end marker of the first JPEG image in `contents`; 0 where it lacks its end."""
    place = _jpeg_scan(contents)
    end = contents.find(b"\xff\xd9", place)
    return end + 2 if end >= 0 else 0


def _jpeg_scan(contents: bytes) -> int:
    """Index of a JPEG's scan; segments before it may hold a thumbnail with an end marker of its own."""
    place = 2
    # Before a marker there may be any number of fill bytes (ITU T.81, B.1.1.2).
    while contents[place : place + 1] == b"\xff" and contents[place + 1 : place + 2] != b"\xda":
        filled = contents[place + 1 : place + 2] == b"\xff"
        place += 1 if filled else 2 + int.from_bytes(contents[place + 2 : place + 4], "big")
    return place


def _is_raw_mjpeg(contents: bytes) -> bool:
    """Whether one JPEG follows another; not so the parts of one photograph (CIPA DC-007, multi-picture format)."""
    end = jpeg_end(contents)
    return end > 0 and contents[end : end + 3] == b"\xff\xd8\xff" and b"MPF\x00" not in contents[: _jpeg_scan(contents)]


def _png_chunks(contents: bytes) -> Iterator[bytes]:
    """Types of the chunks before the image data."""
    place = 8
    while (kind := contents[place + 4 : place + 8]) not in (b"", b"IDAT"):
        yield kind
        place += 12 + int.from_bytes(contents[place : place + 4], "big")


def _gif_images(contents: bytes) -> int:
    """Images in a GIF (GIF89a specification, section 12), counted up to 2."""

    def behind_table(place: int, flags: int) -> int:
        return place + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)

    def behind_blocks(place: int) -> int:
        while place < len(contents) and contents[place]:
            place += 1 + contents[place]
        return place + 1

    images = 0
    try:
        place = behind_table(13, contents[10])
        while images < 2 and contents[place] in (0x21, 0x2C):
            if contents[place] == 0x21:
                place = behind_blocks(place + 2)
            else:
                images += 1
                place = behind_blocks(behind_table(place + 10, contents[place + 9]) + 1)
    except IndexError:  # cut off: what there is counts
        return images
    return images
