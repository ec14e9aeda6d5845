"""The models that ship with femo: each a model file, and beside it a card that says how good it is and for what."""

import os
from pathlib import Path

from femo_jax.errors import ConfigError

DEFAULT = "default"
"""The name of the model that is taken where none is named."""

_OTHER_NAMES = {DEFAULT: "femonet", "small": "femonet-small"}
"""Names by use, and the file's name that each stands for."""


def model_names() -> tuple[str, ...]:
    """Every name that `model_path` takes: those by use first, then those of the files."""
    shipped = _shipped()
    return (*(name for name, stem in _OTHER_NAMES.items() if stem in shipped), *shipped)


def model_path(name: str = DEFAULT) -> Path:
    """The file of a model that ships with femo.

    Args:
      name: `default`, `small`, or the name of a file without its suffix.

    Raises:
      ConfigError: there is no such model; the message names those there are.
    """
    shipped = _shipped()
    stem = _OTHER_NAMES.get(name, name)
    if stem not in shipped:
        raise ConfigError(
            f"no model {name!r} ships with femo; there are {', '.join(model_names())}. Give one of these names, or a"
            " model of your own by its path."
        )
    return shipped[stem]


def resolve_model(model: str | os.PathLike[str] | None = None) -> Path:
    """The path of a model that a person named: everything in femo that takes a model asks here.

    A bare word, without a folder before it and a suffix behind it, is the name of a model that ships with femo, unless
    a file or folder of that name is there; anything else is a path. So `./small` is always a path.

    Args:
      model: a path, which need not exist; a name that `model_path` takes; None for the model taken by default.

    Raises:
      ConfigError: a bare word that is neither there nor a name.
    """
    if model is None:
        return model_path()
    word = os.fspath(model)
    path = Path(word)
    is_bare = word == path.name and not path.suffix
    return model_path(word) if is_bare and not path.exists() else path


def _shipped() -> dict[str, Path]:
    """The model files by name, in alphabetical order."""
    paths = Path(__file__).parent.glob("*.safetensors")
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}
