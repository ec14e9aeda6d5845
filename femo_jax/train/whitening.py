"""A first layer that begins with what pictures are made of, as in cifar10-airbench (Jordan 2024, arXiv:2404.00498)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from femo_jax.models.layers import space_to_depth2
from femo_jax.preprocess import normalize
from femo_jax.train.state import TrainState

FIRST_KERNEL = ("Conv_0", "kernel")
"""Of FemoNet, behind its space-to-depth stem."""

_PICTURES = 2_000  # a million patches, which settle 36 components
_LEAST_VARIANCE = 5e-4  # added, so that components which are mostly noise are not blown up


def whiten_first_layer(state: TrainState, images: np.ndarray) -> TrainState:
    """The state of a new FemoNet whose first kernel whitens the patches that it sees, both signs of each component.

    Args:
      state: at step 0.
      images: `[n, 48, 48, 1] uint8` training pictures; of more than 4,000 about 2,000 are looked at, evenly spread.
    """
    module, name = FIRST_KERNEL
    old: dict[str, Any] = dict(state.params)
    layer = old[module]
    params = {**old, module: {**layer, name: whitening_kernel(layer[name], images)}}
    return state.replace(params=params, ema={**state.ema, "params": jax.tree.map(jnp.copy, params)})


def whitening_kernel(kernel: jax.Array, images: np.ndarray) -> jax.Array:
    """The kernel `[3, 3, 4, outputs]` with principal components of patches in its outputs, as far as they go.

    The components of the largest variance come first, each divided by its standard deviation, then all of them again
    with the other sign, since ReLU lets only one pass. Outputs beyond twice the components stay as they were.
    """
    height, width, channels, outputs = kernel.shape
    every = max(1, len(images) // _PICTURES)
    x = np.asarray(space_to_depth2(normalize(jnp.asarray(images[::every]))), np.float32)
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
    patches = np.concatenate(shifted, axis=-1).reshape(-1, height * width * channels)
    variances, components = np.linalg.eigh(patches.T @ patches / len(patches))
    count = min(outputs // 2, len(variances))
    filters = (components / np.sqrt(variances + _LEAST_VARIANCE))[:, ::-1][:, :count]
    whitened = np.concatenate([filters, -filters], axis=1).reshape(height, width, channels, 2 * count)
    return kernel.at[..., : 2 * count].set(whitened)
