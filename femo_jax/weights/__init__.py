"""The models that ship with femo: each a model file, and beside it a card that says how good it is and for what."""

from pathlib import Path

from femo_jax.errors import ConfigError


def model_path(name: str = "femonet") -> Path:
    """The file of a model that ships with femo.

    Raises:
      ConfigError: there is no such model; the message names those there are.
    """
    models = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.safetensors"))}
    if name not in models:
        raise ConfigError(
            f"no model {name!r} ships with femo; there are {', '.join(models)}. Give a file of your own by its path."
        )
    return models[name]
