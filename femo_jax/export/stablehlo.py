"""StableHLO: the compiler's own form of the network, for JAX without femo and for XLA without Python.

`jax.export.deserialize` reads a file with JAX up to six months newer than the one that wrote it, and up to three weeks
older (https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees).
"""

from pathlib import Path

import jax
from jax import export

from femo_jax.export.network import Input, faces_of_any_number, logits_of_faces
from femo_jax.files import replacing
from femo_jax.model_file import LoadedModel

PLATFORMS = ("cpu", "cuda", "tpu")
"""For which a file holds the network."""


def save_stablehlo(path: Path, loaded: LoadedModel, *, faces_as: Input = "uint8") -> int:
    """Write a network that was serialised by `jax.export`, with its weights.

    Args:
      path: of the file.
      loaded: the model.
      faces_as: dtype of the input, see `femo_jax.export.network.Input`.

    Returns:
      The size of the file in bytes.

    Raises:
      FemoError: the file cannot be written.
    """
    logits = logits_of_faces(loaded, faces_as)

    def probabilities(faces: jax.Array) -> jax.Array:
        return jax.nn.softmax(logits(faces))

    exported = export.export(jax.jit(probabilities), platforms=PLATFORMS)(faces_of_any_number(loaded, faces_as))
    contents = bytes(exported.serialize())
    with replacing(path) as beside:
        beside.write_bytes(contents)
    return len(contents)
