"""Training configurations that ship with femo, by name: `femo train femonet-small --data fer2013.zip`."""

import os
from pathlib import Path

from femo_jax.errors import ConfigError, closest_hint

FOLDER = Path(__file__).parent
"""Folder of the packaged configurations."""


def config_names() -> tuple[str, ...]:
    """Names of the packaged configurations, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"))


def resolve_config(config: str | os.PathLike[str]) -> Path:
    """Path of a configuration file.

    Args:
      config: path of a Python file, or the name of a packaged configuration, in which hyphens and underscores are
        the same. A file of that name takes precedence.

    Raises:
      ConfigError: it is neither.
    """
    path = Path(config)
    if path.is_file():
        return path
    for name in config_names():
        if _hyphenated(name) == _hyphenated(os.fspath(config)):
            return FOLDER / f"{name}.py"
    hint = closest_hint(path.stem, config_names())
    raise ConfigError(
        f"{config}: no such configuration.{hint} Expected a Python file or one of {', '.join(config_names())}"
    )


def _hyphenated(name: str) -> str:
    return name.replace("_", "-")
