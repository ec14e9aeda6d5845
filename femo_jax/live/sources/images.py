"""Image files: what a file holds, reading one, finding those of a folder or pattern, and a source of them."""

import glob
import io
import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.files import library_path, printable
from femo_jax.live.sources.frame import Frame, on_white, quiet
from femo_jax.live.sources.image_size import excessive_size

logger = logging.getLogger(__name__)

Kind = Literal["image", "animation", "animated webp", "raw mjpeg", "other"]
"""What a file holds: an `animation` is decoded by FFmpeg like a clip; `other` may be a clip, or anything."""

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".webp", ".avif", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Files of a folder with one of these suffixes are images; others are if their first bytes are those of an image."""

_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|"
    rb"RIFF....WEBP|BM.{4}\x00{4}|II\*\x00|MM\x00\*|P[1-6]\s|....ftypavi[fs]|.{4}jP  ",
    re.DOTALL,
)
_stderr = threading.Lock()


def read_image(path: Path) -> np.ndarray:
    """Reads an image file as a person sees it; see `decode_image`.

    Args:
      path: of the file; of an animation, the first frame is read.

    Returns:
      `[h, w, 3] uint8` BGR.

    Raises:
      SourceError: there is no such file, or it is not a whole image of a format that OpenCV reads.
    """
    try:
        if path.is_fifo() and not str(path).startswith(("/dev/", "/proc/")):  # reading could wait for ever
            raise SourceError(f"{printable(path)}: a named pipe. Expected an image file, or /dev/stdin.")
        contents = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{printable(path)}: cannot be read ({error.strerror}). Check the path.") from error
    return decode_image(contents, printable(path))


def decode_image(contents: bytes, name: str) -> np.ndarray:
    """Decodes an image: turned as its EXIF data state, 16 bits as 8, transparent parts on white as viewers show them.

    Args:
      contents: of an image file.
      name: for messages.

    Returns:
      `[h, w, 3] uint8` BGR.

    Raises:
      SourceError: it is not a whole image of a format that OpenCV reads, or its header declares more pixels than
        `femo_jax.live.sources.image_size` allows.
      ConfigError: that limit is set to what is no number of pixels.
    """
    if too_large := excessive_size(contents):
        raise SourceError(f"{name}: {too_large}")
    image, messages = None, []
    if contents and not (contents.startswith(b"\xff\xd8") and jpeg_end(contents) == 0):
        with quiet, _decoder_messages() as messages:
            try:
                image = _decoded(np.frombuffer(contents, np.uint8))
            except cv2.error as error:
                messages.append(str(error.err or error))
    if image is None:
        why = f"; {'; '.join(messages)}" if messages else ""
        raise SourceError(
            f"{name}: not an image that OpenCV can read, or damaged ({len(contents):,} bytes{why}). Save it again as"
            " .jpg or .png with 8 or 16 bits."
        )
    for line in messages:
        logger.warning("%s: %s", name, line)
    return image


def _decoded(contents: np.ndarray) -> np.ndarray | None:
    head = bytes(contents[:12])
    if head.startswith(b"GIF8") or head[4:] in (b"ftypavif", b"ftypavis"):
        return _decoded_by_ffmpeg(contents.tobytes())
    image = cv2.imdecode(contents, cv2.IMREAD_COLOR)  # turned by EXIF, but without transparency
    if image is None or head[:3] == b"\xff\xd8\xff":
        return image
    full = cv2.imdecode(contents, cv2.IMREAD_UNCHANGED)
    if full is None or full.ndim != 3 or full.shape[2] != 4 or full.shape[:2] != image.shape[:2]:
        return image
    return on_white(full if full.dtype == np.uint8 else (full // 257).astype(np.uint8))


def _decoded_by_ffmpeg(contents: bytes) -> np.ndarray | None:
    """The first frame of a GIF, which not every OpenCV decodes, or of an AVIF, which OpenCV does not turn upright."""
    from femo_jax.live.sources.clips import Decoder

    try:
        decoder = Decoder(io.BytesIO(contents), threads=False)
        frame = next(decoder.frames(), None)
        return None if frame is None else decoder.to_bgr(frame)
    except SourceError:
        return None


@contextmanager
def _decoder_messages() -> Iterator[list[str]]:
    """Collects the lines that libjpeg, libpng and others write to the standard error while the block runs."""
    messages: list[str] = []
    with _stderr, tempfile.TemporaryFile() as taken:
        try:
            kept = os.dup(2)
        except OSError:  # closed: there is nothing to keep clean
            yield messages
            return
        try:
            os.dup2(taken.fileno(), 2)
            yield messages
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            taken.seek(0)
            lines = taken.read().decode("utf-8", "replace").splitlines()
            messages.extend(dict.fromkeys(line.strip() for line in lines if line.strip()))


def find_images(place: str, left_out: list[Path] | None = None) -> list[Path]:
    """The images directly in a folder, or those that a pattern such as `holiday/**/*.jpg` names, in natural order.

    Args:
      place: the folder or pattern.
      left_out: gets the other files there, but for hidden ones.

    Raises:
      SourceError: there are none.
    """
    folder = Path(place)
    try:
        # Path.glob takes no absolute patterns.
        found = folder.iterdir() if folder.is_dir() else map(Path, glob.glob(place, recursive=True))  # noqa: PTH207
        files = [path for path in found if not path.name.startswith(".") and _is_file(path)]
    except OSError as error:
        raise SourceError(f"{printable(place)}: cannot be read ({error.strerror}).") from error
    images = [path for path in files if _is_image(path)]
    if left_out is not None:
        left_out += sorted(set(files) - set(images))
    if not images:
        remedy = f"Those in its subfolders are {str(folder / '**' / '*.jpg')!r}." if folder.is_dir() else "Check it."
        raise SourceError(f"{printable(place)}: there is no image ({' '.join(SUFFIXES)}). {remedy}")
    return sorted(images, key=_natural)


class ImageSource:
    """Images one after the other; see `femo_jax.live.sources.FrameSource`.

    An image that cannot be read is left out, with a warning in the log.

    Attributes:
      unreadable: how many were left out, so far.
    """

    def __init__(self, paths: Sequence[Path], rate: float | None = None) -> None:
        """Prepares to read.

        Args:
          paths: of the images.
          rate: frames a second where the images are the frames of a clip; None where each stands alone, and
            its time is its index.
        """
        self.live = False
        self.dropped = 0
        self.frames_per_second = rate
        self.unreadable = 0
        self._paths = [*paths]
        self._index = 0

    def __iter__(self) -> Iterator[Frame]:
        """Reads image after image.

        Raises:
          SourceError: at the end, if not one of them could be read.
        """
        rate = self.frames_per_second
        while self._index < len(self._paths):
            index = self._index
            path = self._paths[index]
            self._index += 1
            try:
                image = read_image(path)
            except SourceError as error:
                self.unreadable += 1
                if self.unreadable == len(self._paths):
                    raise
                logger.warning("%s", error)
                continue
            yield Frame(index, index / (rate or 1.0), image, str(path), still=rate is None)

    def close(self) -> None:
        """Ends iterating."""
        self._index = len(self._paths)

    def __enter__(self) -> "ImageSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_file(path: Path) -> bool:
    """Whether it is a regular file, or leads to one; a dangling link and one that leads to itself are not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return _SIGNATURE.match(file.read(16)) is not None
    except OSError:
        return False


def _natural(path: Path) -> tuple:
    """Sorts `9.png` before `10.png`."""
    parts = re.split(r"(\d+)", str(path))
    return tuple(int(part) if part.isdecimal() else part.casefold() for part in parts), str(path)


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
