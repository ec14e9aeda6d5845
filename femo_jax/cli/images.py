"""Images that a person names on the command line."""

import glob
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from femo_jax.cli.console import counted, note, warn
from femo_jax.errors import SourceError
from femo_jax.live.config import DetectorConfig
from femo_jax.live.image import InputImage
from femo_jax.live.results import FrameResult
from femo_jax.live.sources.addresses import is_address, redacted
from femo_jax.live.sources.images import content_kind, find_images, read_image

_LARGEST_CROP = 256
"""Pixels of the longer side up to which an image without a face may be the crop of one, as those of data sets are."""


def find_named(places: Sequence[str], unreadable: list[str], left_out: list[Path] | None = None) -> list[Path]:
    """The images of files, folders and patterns, each once.

    Args:
      places: as they were given.
      unreadable: gets each place without an image, after a warning.
      left_out: gets the files of folders and patterns that are not images.
    """
    paths: list[Path] = []
    for place in places:
        path = Path(place)
        try:
            several = path.is_dir() or (glob.has_magic(place) and not path.exists())
            paths += find_images(place, left_out) if several else [path]
        except (SourceError, OSError) as error:
            warn(str(error))
            unreadable.append(place)
    return list(dict.fromkeys(paths))


def read_named(paths: Iterable[Path], unreadable: list[str]) -> Iterator[tuple[Path, InputImage]]:
    """Reads images one after the other; one that cannot be read is added to `unreadable`, after a warning."""
    for path in paths:
        try:
            yield path, InputImage(read_image(path))
        except SourceError as error:
            warn(str(error))
            unreadable.append(str(path))


def note_images_without_faces(results: Iterable[FrameResult], detector: DetectorConfig) -> None:
    """Notes in how many images no face was found, and which options find more."""
    empty = [result for result in results if not result.faces]
    if not empty:
        return
    smallest = max(detector.sizes(each.width, each.height, still=True)[0] for each in empty)
    note(
        f"no face of {max(smallest, 1):.0f} px or more in {counted(len(empty), 'image')};"
        " --detector.min-size PIXELS searches for smaller ones"
    )
    crops = sum(max(each.width, each.height) <= _LARGEST_CROP for each in empty)
    if crops:
        note(f"{counted(crops, 'image')} of {_LARGEST_CROP} px or less; --faces cropped takes each as a face crop")


def is_animation(path: Path) -> bool:
    """Whether an image file has several frames, of which `read_named` gives the first."""
    try:
        return content_kind(path) in ("animation", "animated webp", "raw mjpeg")
    except SourceError:
        return False


@contextmanager
def downloaded(places: Sequence[str], unreadable: list[str]) -> Iterator[dict[Path, str]]:
    """Downloads the images that are named by address, to a temporary folder that lasts as long as the block.

    Args:
      places: files and addresses; files are left out.
      unreadable: gets each address that cannot be downloaded, after a warning.

    Yields:
      The address of each file, without its secrets.
    """
    files: dict[Path, str] = {}
    addresses = [place for place in dict.fromkeys(places) if is_address(place)]
    if not addresses:
        yield files
        return
    from femo_jax.live.sources.network import download_image

    with tempfile.TemporaryDirectory(prefix="femo-") as folder:
        for number, address in enumerate(addresses):
            try:
                contents = download_image(address)
            except SourceError as error:
                warn(str(error))
                unreadable.append(redacted(address))
                continue
            # The name, by which an annotated copy is called, in a folder of its own.
            name = re.sub(r"[^\w.-]", "_", PurePosixPath(urlsplit(address).path).name)[-100:].lstrip(".") or "image"
            path = Path(folder) / str(number) / name
            path.parent.mkdir()
            path.write_bytes(contents)
            files[path] = redacted(address)
        yield files
