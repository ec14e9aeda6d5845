"""Pictures that a person names on the command line."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from femo_jax.cli.console import say
from femo_jax.errors import SourceError
from femo_jax.live.image import InputImage
from femo_jax.live.sources.pictures import find_pictures, read_picture

Places = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="PICTURE [PICTURE ...]", help_behavior_hint=""),
]
"""The type of an option that takes files, folders and patterns."""


def find_named(places: Sequence[str], unreadable: list[str]) -> list[Path]:
    """The pictures of files, folders and patterns, each once; a place without any is told and added to `unreadable`."""
    paths: list[Path] = []
    for place in places:
        path = Path(place)
        try:
            several = path.is_dir() or (glob.has_magic(place) and not path.exists())
            paths += find_pictures(place) if several else [path]
        except SourceError as error:
            say(str(error))
            unreadable.append(place)
    return list(dict.fromkeys(paths))


def read_named(paths: Iterable[Path], unreadable: list[str]) -> Iterator[tuple[Path, InputImage]]:
    """Reads pictures one after the other; one that cannot be read is told and added to `unreadable`."""
    for path in paths:
        try:
            yield path, InputImage(read_picture(path))
        except SourceError as error:
            say(str(error))
            unreadable.append(str(path))
