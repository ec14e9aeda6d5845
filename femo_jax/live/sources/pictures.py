"""Pictures: one, those of a folder, or those of a pattern."""

import glob
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from femo_jax.errors import SourceError
from femo_jax.live.sources.capture import quiet
from femo_jax.live.sources.frame import Frame

logger = logging.getLogger(__name__)

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jp2", ".png", ".webp", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Of files that femo takes for pictures; every OpenCV reads them."""


def read_picture(path: Path) -> np.ndarray:
    """Reads a picture as a person sees it: turned as its EXIF data say, 16 bits as 8, without transparency.

    Returns:
      `[h, w, 3] uint8` BGR.

    Raises:
      SourceError: there is no such file, or it is not a whole picture of a format that OpenCV reads.
    """
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    image = None
    if contents and not _is_cut_off_jpg(contents):
        try:
            with quiet:  # cv2.imread does not take every path on every system
                image = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise SourceError(f"{path}: OpenCV cannot read this picture ({error.err or error}).") from error
    if image is None:
        raise SourceError(
            f"{path}: not a picture that OpenCV can read, or damaged ({len(contents):,} bytes). Save it anew as"
            " jpg or png with 8 or 16 bits."
        )
    return image


def _is_cut_off_jpg(contents: bytes) -> bool:
    """Whether a jpg lacks its end: decoders fill up what is missing with grey, and say nothing."""
    if not contents.startswith(b"\xff\xd8"):
        return False
    place = 2
    # Segments of the head have a length each; a thumbnail in one of them has an end marker of its own. Before a marker
    # there may be any number of fill bytes (ITU T.81, B.1.1.2).
    while contents[place : place + 1] == b"\xff" and contents[place + 1 : place + 2] != b"\xda":
        filled = contents[place + 1 : place + 2] == b"\xff"
        place += 1 if filled else 2 + int.from_bytes(contents[place + 2 : place + 4], "big")
    return contents.find(b"\xff\xd9", place) < 0


def find_pictures(place: str) -> list[Path]:
    """The pictures right in a folder, or those that a pattern such as `holiday/**/*.jpg` names, in natural order.

    Raises:
      SourceError: there are none.
    """
    folder = Path(place)
    try:
        # Path.glob takes no absolute patterns.
        paths = folder.iterdir() if folder.is_dir() else map(Path, glob.glob(place, recursive=True))  # noqa: PTH207
        pictures = [path for path in paths if _is_listed(path)]
    except OSError as error:
        raise SourceError(f"{place}: cannot be read ({error.strerror}).") from error
    if not pictures:
        remedy = f"Those in its subfolders are {str(folder / '**' / '*.jpg')!r}." if folder.is_dir() else "Check it."
        raise SourceError(f"{place}: there is no picture ({' '.join(SUFFIXES)}). {remedy}")
    return sorted(pictures, key=_natural)


class PictureSource:
    """Pictures one after the other; `femo_jax.live.sources.frame.FrameSource` tells the rest.

    A picture that cannot be read is left out, with a warning in the log.

    Attributes:
      unreadable: how many were left out, so far.
    """

    def __init__(self, paths: Sequence[Path], rate: float | None = None) -> None:
        """Prepares to read.

        Args:
          paths: of the pictures.
          rate: frames a second where the pictures are the frames of a clip; None where each stands alone, and
            its time is its index.
        """
        self.live = False
        self.dropped = 0
        self.frames_per_second = rate
        self.unreadable = 0
        self._paths = [*paths]
        self._index = 0

    def __iter__(self) -> Iterator[Frame]:
        """Reads picture after picture.

        Raises:
          SourceError: at the end, if not one of them could be read.
        """
        rate = self.frames_per_second
        while self._index < len(self._paths):
            index = self._index
            path = self._paths[index]
            self._index += 1
            try:
                image = read_picture(path)
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

    def __enter__(self) -> "PictureSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_listed(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _natural(path: Path) -> tuple:
    """Sorts `9.png` before `10.png`."""
    parts = re.split(r"(\d+)", str(path))
    return tuple(int(part) if part.isdecimal() else part.casefold() for part in parts), str(path)
