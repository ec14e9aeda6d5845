"""The description that stands beside files of formats that carry no metadata of femo's."""

from pathlib import Path

from femo_jax import __version__
from femo_jax.export.network import Input
from femo_jax.files import write_json
from femo_jax.model_file import LoadedModel


def save_description(path: Path, loaded: LoadedModel, *, faces_as: Input, card: str = "") -> Path:
    """Write what is needed to use an exported file as JSON beside it, in `FILE.json`.

    Args:
      path: the exported file.
      loaded: the network that it was made of.
      faces_as: dtype of its input.
      card: the model's card, Markdown.

    Returns:
      The path of the description.
    """
    place = path.with_name(f"{path.name}.json")
    side = loaded.image_size
    write_json(
        place,
        {
            "architecture": loaded.architecture,
            "options": dict(loaded.options),
            "input": {"name": "faces", "shape": ["n", side, side], "dtype": faces_as},
            "output": {"name": "probabilities", "shape": ["n", len(loaded.classes)], "dtype": "float32"},
            "classes": list(loaded.classes),
            "mean": loaded.mean,
            "std": loaded.std,
            "temperature": loaded.temperature,
            "training": dict(loaded.training),
            "version": __version__,
            "card": card,
        },
    )
    return place
