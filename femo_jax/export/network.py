"""The function that every format exports: faces in, calibrated probabilities out, with BatchNorm folded."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.tree_util import Partial

from femo_jax.model_file import LoadedModel
from femo_jax.models import create_model, model_options
from femo_jax.models.fold import fold_batch_norm
from femo_jax.preprocess import normalize

Input = Literal["uint8", "float32"]
"""Faces as pixels in 0..255, which the exported graph normalises; or normalised by the caller: pixels in 0..1, less the
mean, divided by the standard deviation."""


def logits_of_faces(loaded: LoadedModel, faces_as: Input = "uint8") -> Partial:
    """Return the network as one function for export; it computes in float32 whatever dtype it was trained in.

    Args:
      loaded: the model.
      faces_as: dtype of its input.

    Returns:
      A function of faces `[n, image_size, image_size]` that gives logits `[n, classes] float32`, divided by the
      temperature.
    """
    options = dict(loaded.options)
    if "dtype" in model_options(loaded.architecture):
        options["dtype"] = "float32"
    side = loaded.image_size
    folded = fold_batch_norm(
        create_model(loaded.architecture, ops="lax", **options),
        loaded.variables,
        jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32),
    )

    def logits(network: Partial, faces: jax.Array) -> jax.Array:
        images = faces[..., None]
        if faces_as == "uint8":
            images = normalize(images, loaded.mean, loaded.std)
        return network(images) / np.float32(loaded.temperature)

    return Partial(logits, folded)


def faces_of_any_number(loaded: LoadedModel, faces_as: Input = "uint8") -> jax.ShapeDtypeStruct:
    """The input `[n, image_size, image_size]` with a symbolic n."""
    side = loaded.image_size
    (count,) = export.symbolic_shape("n")
    return jax.ShapeDtypeStruct((count, side, side), np.dtype(faces_as))


def example_faces(loaded: LoadedModel, faces_as: Input = "uint8", count: int = 16) -> np.ndarray:
    """Faces `[count, image_size, image_size]` on which a written file is compared with the network."""
    side = loaded.image_size
    rng = np.random.default_rng(0)
    # Smooth, as faces are: noise alone would leave most of the network's range unused.
    coarse = rng.integers(0, 256, (count, -(-side // 6), -(-side // 6)))
    pixels = coarse.repeat(6, axis=1).repeat(6, axis=2)[:, :side, :side].astype(np.uint8)
    return faces_of(pixels[..., None], loaded, faces_as)


def faces_of(images: np.ndarray, loaded: LoadedModel, faces_as: Input = "uint8") -> np.ndarray:
    """Images `[n, h, w, 1] uint8` as an exported graph takes them: `[n, h, w]` in the dtype of its input."""
    faces = images[..., 0]
    return faces if faces_as == "uint8" else normalize(faces, loaded.mean, loaded.std)
