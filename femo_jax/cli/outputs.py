"""Files that a person names on the command line to be written."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from femo_jax.cli.console import STANDARD_OUTPUT
from femo_jax.errors import ConfigError


def check_outputs(pictures: Iterable[Path], outputs: Mapping[str, Path | None]) -> None:
    """Makes sure that nothing is written over one of the pictures, or over another output.

    Args:
      pictures: that are read.
      outputs: files and folders by the options that name them; those not asked for are None.

    Raises:
      ConfigError: two of them are the same file.
    """
    originals = {picture.resolve() for picture in pictures}
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None or path == STANDARD_OUTPUT:
            continue
        place = path.resolve()
        if place in originals:
            raise ConfigError(f"{path}: is one of the pictures itself. Give {option} another file.")
        if place in taken:
            raise ConfigError(f"{path}: is named by {taken[place]} and {option}. Give each a file of its own.")
        taken[place] = option
