"""Two-dimensional convolution, channels last."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from femo_jax.ops.choice import Implementation
from femo_jax.ops.geometry import Padding, Window, slide
from femo_jax.ops.native.library import call


def conv2d(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    strides: int | tuple[int, int] = 1,
    padding: Padding = "SAME",
    groups: int = 1,
    relu: bool = False,
    implementation: Implementation = "xla",
) -> jax.Array:
    """Convolve images with a kernel, as a layer of a network does (a cross-correlation).

    Computes in the dtype of `x`; oneDNN accumulates in float32, and gives a float32 kernel a float32 gradient even if
    `x` is bfloat16.

    >>> conv2d(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 2)), strides=2).shape
    (1, 2, 2, 2)

    Args:
      x: `[n, h, w, c]`, float32 or bfloat16.
      kernel: `[kernel h, kernel w, c / groups, o]`.
      bias: `[o]`, added to the output.
      strides: steps along h and w.
      padding: SAME or VALID, see `femo_jax.ops.geometry.Padding`.
      groups: number of convolutions side by side, each with its share of the channels; c makes it depthwise.
      relu: cut the output at 0.
      implementation: XLA (also as `lax`) or oneDNN; equal up to rounding.

    Returns:
      `[n, output h, output w, o]` in the dtype of `x`.

    Raises:
      ValueError: the shapes do not fit each other.
      TypeError: another dtype, with oneDNN.
    """
    if x.ndim != 4 or kernel.ndim != 4 or kernel.shape[2] * groups != x.shape[3] or kernel.shape[3] % groups:
        raise ValueError(f"a kernel {kernel.shape} in {groups} groups does not fit images {x.shape}, channels last")
    if bias is not None and bias.shape != kernel.shape[3:]:
        raise ValueError(f"expected a bias {kernel.shape[3:]}, got {bias.shape}")
    window = slide(f"a kernel {kernel.shape}", kernel.shape[:2], x.shape, strides, padding)
    convolve = {"xla": _xla, "onednn": _onednn, "lax": _xla}[implementation]
    return convolve(window, groups, relu, x, kernel, bias)


def _xla(window: Window, groups: int, relu: bool, x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    output = lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        window.strides,
        window.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    if bias is not None:
        output += bias.astype(x.dtype)
    return jax.nn.relu(output) if relu else output


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _onednn(
    window: Window, groups: int, relu: bool, x: jax.Array, kernel: jax.Array, bias: jax.Array | None
) -> jax.Array:
    output = jax.ShapeDtypeStruct((x.shape[0], *window.outputs, kernel.shape[3]), x.dtype)
    biases = () if bias is None else (bias.astype(jnp.float32),)
    return call("ConvolutionForward", output, x, kernel, *biases, **_attributes(window, groups), relu=relu)


def _forward(window: Window, groups: int, relu: bool, x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> tuple:
    output = _onednn(window, groups, relu, x, kernel, bias)
    return output, (x, kernel, bias, output if relu else None)


def _backward(window: Window, groups: int, relu: bool, saved: tuple, gradient: jax.Array) -> tuple:
    x, kernel, bias, output = saved
    if output is not None:
        gradient = jnp.where(output > 0, gradient, 0)
    attributes = _attributes(window, groups)
    return (
        call("ConvolutionBackwardData", x, gradient, kernel, **attributes),
        call("ConvolutionBackwardWeights", kernel, x, gradient, **attributes),
        None if bias is None else jnp.sum(gradient, (0, 1, 2), jnp.float32).astype(bias.dtype),
    )


def _attributes(window: Window, groups: int) -> dict:
    """Attributes in the form that the extension takes."""
    return {**window.attributes(), "groups": np.int64(groups)}


_onednn.defvjp(_forward, _backward)
