"""Message packages that femo uses where they are installed."""

import importlib
from typing import Any

from femo_jax.errors import ConfigError


def messages_of(package: str, parameter: str, wanted: str) -> Any | None:
    """The messages of a package, or None where they are not to be published.

    Args:
      package: such as `vision_msgs`.
      parameter: by which the user says whether they are wanted.
      wanted: its value: auto, true or false.

    Raises:
      ConfigError: they are wanted, but not installed.
    """
    if wanted == "false":
        return None
    try:
        return importlib.import_module(f"{package}.msg")
    except ImportError as error:
        if wanted == "auto":
            return None
        raise ConfigError(
            f"{parameter} is true, but package {package} cannot be used ({error}). Install"
            f" ros-$ROS_DISTRO-{package.replace('_', '-')}, or set {parameter} to auto or false."
        ) from error
