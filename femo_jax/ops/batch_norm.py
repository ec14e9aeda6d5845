"""Batch normalisation in training."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from femo_jax.ops.choice import Implementation
from femo_jax.ops.native.library import batch_norm_workspace, call
from femo_jax.ops.pooling import larger


def batch_norm(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    *,
    epsilon: float = 1e-5,
    relu: bool = False,
    implementation: Implementation = "xla",
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalise each channel by its mean and variance over the batch, then scale and shift it.

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167. Moments are taken in float32; the variance is
    that of the batch itself (divided by n h w), as in Flax.

    Args:
      x: `[n, h, w, c]`, float32 or bfloat16. XLA takes any number of leading axes.
      scale: `[c] float32`.
      bias: `[c] float32`.
      epsilon: added to the variance.
      relu: cut the output at 0.
      implementation: XLA or oneDNN; equal up to rounding.

    Returns:
      The output, of the shape and dtype of `x`, and mean and variance, each `[c] float32`. No gradient flows through
      the two: they are for running averages.

    Raises:
      ValueError: the shapes do not fit each other.
      TypeError: another dtype, with oneDNN.
    """
    if not x.shape[-1:] == scale.shape == bias.shape:
        raise ValueError(f"scale {scale.shape} and bias {bias.shape} do not fit the channels of {x.shape}")
    if implementation == "onednn":
        images = x if x.ndim == 4 else x.reshape(-1, 1, 1, x.shape[-1])
        output, mean, variance = _onednn(float(epsilon), relu, images, scale, bias)  # pyright: ignore[reportGeneralTypeIssues]
        return output.reshape(x.shape), lax.stop_gradient(mean), lax.stop_gradient(variance)
    return _xla(epsilon, relu, x, scale, bias)


def _xla(
    epsilon: float, relu: bool, x: jax.Array, scale: jax.Array, bias: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    values = x.astype(jnp.float32)
    axes = tuple(range(x.ndim - 1))
    mean = jnp.mean(values, axes)
    # One pass instead of two, as in Flax; rounding may take it below 0. Not by
    # `jnp.maximum`: see `larger`.
    variance = larger(jnp.mean(values * values, axes) - mean * mean, 0.0)
    output = normalized(x, mean, variance, scale, bias, epsilon=epsilon, relu=relu)
    return output, lax.stop_gradient(mean), lax.stop_gradient(variance)


def normalized(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    *,
    epsilon: float,
    relu: bool,
) -> jax.Array:
    """`(x - mean) / sqrt(variance + epsilon) * scale + bias`, cut at 0 if `relu`; computed in float32."""
    output = (x.astype(jnp.float32) - mean) * (lax.rsqrt(variance + epsilon) * scale) + bias
    return (jax.nn.relu(output) if relu else output).astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _onednn(
    epsilon: float, relu: bool, x: jax.Array, scale: jax.Array, bias: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    return _forward(epsilon, relu, x, scale, bias)[0]


def _forward(epsilon: float, relu: bool, x: jax.Array, scale: jax.Array, bias: jax.Array) -> tuple:
    channels = jax.ShapeDtypeStruct(scale.shape, jnp.float32)
    workspace = jax.ShapeDtypeStruct((batch_norm_workspace(x, relu=relu),), jnp.uint8)
    output, mean, variance, mask = call(
        "BatchNormalizationForward",
        (x, channels, channels, workspace),
        x,
        scale,
        bias,
        epsilon=np.float32(epsilon),
        relu=relu,
    )
    return (output, mean, variance), (x, mean, variance, scale, mask)


def _backward(epsilon: float, relu: bool, saved: tuple, gradients: tuple) -> tuple:
    x, mean, variance, scale, mask = saved
    return call(
        "BatchNormalizationBackward",
        (x, scale, scale),
        x,
        mean,
        variance,
        gradients[0],
        scale,
        mask,
        epsilon=np.float32(epsilon),
        relu=relu,
    )


_onednn.defvjp(_forward, _backward)
