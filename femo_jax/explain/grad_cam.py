"""Where in an image a layer finds its evidence for a class: Grad-CAM, and LayerCAM for layers with fine maps.

Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) weighs each channel by the mean of its gradient over the map. That is
right for the last layer, where a channel means the same wherever it is found. Before it, the same channel may speak for
a class in one place and against it in another, and the mean is close to zero. LayerCAM (Jiang et al. 2021,
doi:10.1109/TIP.2021.3089943) takes each cell's own gradient, where it is positive.
"""

from functools import partial

import jax
import jax.numpy as jnp

from femo_jax.explain.layers import Layer, Logits, activations_and_gradients


@partial(jax.jit, static_argnames="layer")
def grad_cam(logits: Logits, images: jax.Array, target: jax.Array | int, layer: Layer) -> jax.Array:
    """The sum of a layer's channels, each by the mean gradient of the class' logit over it, cut at 0.

    Args:
      logits: the network, before the softmax.
      images: `[b, h, w, 1] float32`, normalised.
      target: the class, an integer.
      layer: of `find_layers`.

    Returns:
      `[b, layer height, layer width] float32`, at least 0; 0 all over where the layer finds nothing for the class.
    """
    activations, gradients = activations_and_gradients(logits, images, target, layer)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return jax.nn.relu(jnp.sum(weights * activations, axis=-1))


@partial(jax.jit, static_argnames="layer")
def layer_cam(logits: Logits, images: jax.Array, target: jax.Array | int, layer: Layer) -> jax.Array:
    """The sum of a layer's channels, each cell by its own gradient where that is positive; else as `grad_cam`."""
    activations, gradients = activations_and_gradients(logits, images, target, layer)
    return jax.nn.relu(jnp.sum(jax.nn.relu(gradients) * activations, axis=-1))
