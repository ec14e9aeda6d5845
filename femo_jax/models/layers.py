"""Layers shared by the networks, written in the forms that XLA's CPU backend runs fast."""

import jax
import jax.numpy as jnp


def max_pool2(x: jax.Array) -> jax.Array:
    """2x2 max pooling with stride 2: `[b, h, w, c]` -> `[b, h // 2, w // 2, c]`; an odd last row or column is dropped.

    A reshape and a maximum over two axes: the gradient of `reduce_window`, which `nn.max_pool` uses, is
    several times slower on a CPU.
    """
    batch, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def space_to_depth2(x: jax.Array) -> jax.Array:
    """Moves each 2x2 block into channels: `[b, h, w, c]` -> `[b, h / 2, w / 2, 4 c]`, for even h and w."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // 2, width // 2, 4 * channels)


def global_mean(x: jax.Array) -> jax.Array:
    """Global average pooling: `[b, h, w, c]` -> `[b, c]`."""
    return jnp.mean(x, axis=(1, 2))
