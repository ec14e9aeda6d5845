"""Two-dimensional convolution, channels last."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from femo_jax.ops.choice import Implementation
from femo_jax.ops.geometry import Padding, output_sizes, pad_sizes, pair
from femo_jax.ops.native.library import call


class _Geometry(NamedTuple):
    """What decides a convolution beside its arrays; hashable, as a static argument must be."""

    strides: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]
    groups: int
    relu: bool

    def attributes(self) -> dict:
        """As the extension takes them."""
        return {
            "strides": np.array(self.strides, np.int64),
            "padding": np.array(self.pads, np.int64).ravel(),
            "groups": np.int64(self.groups),
        }


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
    """Convolves pictures with a kernel, as a layer of a network does (a cross-correlation).

    Computes in the dtype of `x`; oneDNN adds up in float32, and gives a float32 kernel a float32 gradient also where
    `x` is bfloat16.

    >>> conv2d(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 2)), strides=2).shape
    (1, 2, 2, 2)

    Args:
      x: `[n, h, w, c]`, float32 or bfloat16.
      kernel: `[kernel h, kernel w, c / groups, o]`.
      bias: `[o]`, added to the output.
      strides: steps along h and w.
      padding: SAME or VALID, see `femo_jax.ops.geometry.Padding`.
      groups: so many convolutions side by side, each of its share of the channels; c makes it depthwise.
      relu: cut the output at 0.
      implementation: of XLA or oneDNN; equal up to rounding.

    Returns:
      `[n, output h, output w, o]` in the dtype of `x`.

    Raises:
      ValueError: the shapes do not fit each other.
      TypeError: another dtype, with oneDNN.
    """
    if x.ndim != 4 or kernel.ndim != 4 or kernel.shape[2] * groups != x.shape[3] or kernel.shape[3] % groups:
        raise ValueError(f"a kernel {kernel.shape} in {groups} groups does not fit pictures {x.shape}, channels last")
    if bias is not None and bias.shape != kernel.shape[3:]:
        raise ValueError(f"expected a bias {kernel.shape[3:]}, got {bias.shape}")
    steps = pair(strides)
    pads = pad_sizes(x.shape[1:3], kernel.shape[:2], steps, padding)
    if min(output_sizes(x.shape[1:3], kernel.shape[:2], steps, pads)) < 1:
        raise ValueError(f"a kernel {kernel.shape} does not fit into pictures {x.shape} with padding {padding}")
    convolve = {"xla": _xla, "onednn": _onednn}[implementation]
    return convolve(_Geometry(steps, pads, groups, relu), x, kernel, bias)


def _xla(geometry: _Geometry, x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    output = lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        geometry.strides,
        geometry.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=geometry.groups,
    )
    if bias is not None:
        output += bias.astype(x.dtype)
    return jax.nn.relu(output) if geometry.relu else output


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _onednn(geometry: _Geometry, x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    sizes = output_sizes(x.shape[1:3], kernel.shape[:2], geometry.strides, geometry.pads)
    output = jax.ShapeDtypeStruct((x.shape[0], *sizes, kernel.shape[3]), x.dtype)
    biases = () if bias is None else (bias.astype(jnp.float32),)
    return call("ConvolutionForward", output, x, kernel, *biases, **geometry.attributes(), relu=geometry.relu)


def _forward(geometry: _Geometry, x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> tuple:
    output = _onednn(geometry, x, kernel, bias)
    return output, (x, kernel, bias, output if geometry.relu else None)


def _backward(geometry: _Geometry, saved: tuple, gradient: jax.Array) -> tuple:
    x, kernel, bias, output = saved
    if output is not None:
        gradient = jnp.where(output > 0, gradient, 0)
    attributes = geometry.attributes()
    return (
        call("ConvolutionBackwardData", x, gradient, kernel, **attributes),
        call("ConvolutionBackwardWeights", kernel, x, gradient, **attributes),
        None if bias is None else jnp.sum(gradient, (0, 1, 2), jnp.float32).astype(bias.dtype),
    )


_onednn.defvjp(_forward, _backward)
