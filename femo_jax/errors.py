"""Errors that a user can fix: the message names the file or value, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class FemoError(Exception):
    """Bad input or a failed run. The command line prints the message alone and exits with code 2."""


class DataError(FemoError):
    """A data set, or one record of it, is not what femo can read."""


class ConfigError(FemoError):
    """A configuration names something that does not exist or that does not fit the run at hand."""


class ModelFileError(FemoError):
    """A model file is damaged, or was made for another network or class order."""


class CheckpointError(FemoError):
    """A run folder holds no checkpoint that can be restored."""


class DivergenceError(FemoError):
    """The training loss is no longer finite."""


class SourceError(FemoError):
    """A camera, stream, clip or image cannot be opened, or gives no more frames."""


def closest_hint(name: str, names: Iterable[str]) -> str:
    """The part of a message that asks for the closest of some names, with a space before it; empty if none is close."""
    close = get_close_matches(name, list(names), n=1)
    return f" Did you mean {close[0]}?" if close else ""
