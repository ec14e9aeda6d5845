"""Maximum and mean over windows, channels last."""

from collections.abc import Callable
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from femo_jax.ops.choice import Implementation
from femo_jax.ops.geometry import Padding, Window, pair, slide
from femo_jax.ops.native.library import call


@jax.custom_jvp
def larger(one: jax.Array, other: jax.Array | float) -> jax.Array:
    """The larger of two arrays, element by element; of equal elements the first has the gradient.

    The gradient of `jnp.maximum` asks which of the two equals the maximum. Where XLA computes an element twice, here
    and for the maximum, it may round differently: then neither does, and the gradient is lost.
    """
    return jnp.maximum(one, other)


@larger.defjvp
def _larger(values: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    return larger(*values), jnp.where(values[0] >= values[1], *tangents)


def max_pool(
    x: jax.Array,
    window: int | tuple[int, int] = 2,
    *,
    strides: int | tuple[int, int] | None = None,
    padding: Padding = "VALID",
    implementation: Implementation = "xla",
) -> jax.Array:
    """Take the maximum of each window.

    If several pixels of a window equal the maximum, one of them gets the gradient: with oneDNN the first, with XLA the
    uppermost of the leftmost column that has one.

    >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]

    Args:
      x: `[n, h, w, c]`, float32 or bfloat16.
      window: its height and width.
      strides: steps along h and w; those of the window by default.
      padding: SAME or VALID, see `femo_jax.ops.geometry.Padding`; padded pixels are never the maximum.
      implementation: XLA, oneDNN, or `lax`: one `lax.reduce_window`.

    Returns:
      `[n, output h, output w, c]` in the dtype of `x`.

    Raises:
      ValueError: the window does not fit into the image.
      TypeError: another dtype, with oneDNN.
    """
    return _pool(x, window, strides, padding, True, implementation)


def avg_pool(
    x: jax.Array,
    window: int | tuple[int, int] = 2,
    *,
    strides: int | tuple[int, int] | None = None,
    padding: Padding = "VALID",
    implementation: Implementation = "xla",
) -> jax.Array:
    """Take the mean of each window over its pixels inside the image; otherwise like `max_pool`.

    >>> avg_pool(jnp.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    return _pool(x, window, strides, padding, False, implementation)


def _pool(
    x: jax.Array,
    extent: int | tuple[int, int],
    strides: int | tuple[int, int] | None,
    padding: Padding,
    maximum: bool,
    implementation: Implementation,
) -> jax.Array:
    if x.ndim != 4:
        raise ValueError(f"expected images [n, h, w, c], got {x.shape}")
    extent = pair(extent)
    window = slide(f"a window {extent}", extent, x.shape, extent if strides is None else strides, padding)
    if maximum and np.prod(extent) > 255:
        # The place in a window does not fit into a byte any more, and oneDNN 3.2 then loses gradients in bfloat16.
        return _xla(window, maximum, x)
    return {"xla": _xla, "onednn": _onednn, "lax": _lax}[implementation](window, maximum, x)


def _lax(window: Window, maximum: bool, x: jax.Array) -> jax.Array:
    pads = ((0, 0), *window.pads, (0, 0))
    extent, strides = (1, *window.extent, 1), (1, *window.strides, 1)
    if maximum:
        return lax.reduce_window(x, -jnp.inf, lax.max, extent, strides, pads)
    inside = lax.reduce_window(jnp.ones((1, *x.shape[1:3], 1), jnp.float32), 0.0, lax.add, extent, strides, pads)
    return (lax.reduce_window(x.astype(jnp.float32), 0.0, lax.add, extent, strides, pads) / inside).astype(x.dtype)


def _xla(window: Window, maximum: bool, x: jax.Array) -> jax.Array:
    """By reshapes and shifted views: the gradient of `lax.reduce_window` is several times slower on a CPU."""
    if window.tiles:
        return _tiles(window, maximum, x)
    if maximum:
        return _shifted(window, x, larger, -jnp.inf)
    inside = _shifted(window, jnp.ones((1, *x.shape[1:3], 1), jnp.float32), jnp.add, 0.0)
    return (_shifted(window, x.astype(jnp.float32), jnp.add, 0.0) / inside).astype(x.dtype)


def _tiles(window: Window, maximum: bool, x: jax.Array) -> jax.Array:
    (down, across), (batch, height, width, channels) = window.extent, x.shape
    x = x[:, : height // down * down, : width // across * across]
    x = x.reshape(batch, height // down, down, width // across, across, channels)
    if maximum:
        rows = reduce(larger, (x[:, :, row] for row in range(down)))
        return reduce(larger, (rows[:, :, :, column] for column in range(across)))
    return x.mean(axis=(2, 4), dtype=jnp.float32).astype(x.dtype)


def _shifted(
    window: Window, x: jax.Array, combine: Callable[[jax.Array, jax.Array], jax.Array], filling: float
) -> jax.Array:
    """One axis after the other, the views that a window's rows, then its columns, make."""
    for axis, extent, stride, pads, size in zip(
        (1, 2), window.extent, window.strides, window.pads, window.outputs, strict=True
    ):
        padding = [(0, 0)] * 4
        padding[axis] = pads
        padded = jnp.pad(x, padding, constant_values=filling)
        stop = (size - 1) * stride + 1
        views = (lax.slice_in_dim(padded, shift, shift + stop, stride, axis) for shift in range(extent))
        x = reduce(combine, views)
    return x


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _onednn(window: Window, maximum: bool, x: jax.Array) -> jax.Array:
    return _forward(window, maximum, x)[0]


def _forward(window: Window, maximum: bool, x: jax.Array) -> tuple:
    output = jax.ShapeDtypeStruct((x.shape[0], *window.outputs, x.shape[3]), x.dtype)
    places = jax.ShapeDtypeStruct((output.size * maximum,), jnp.uint8)  # of the largest, a byte each
    pooled, places = call("PoolingForward", (output, places), x, **_attributes(window, maximum))
    return pooled, places


def _backward(window: Window, maximum: bool, places: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    batch, _, _, channels = gradient.shape
    like = jax.ShapeDtypeStruct((batch, *window.sizes, channels), gradient.dtype)
    return (call("PoolingBackward", like, gradient, places, **_attributes(window, maximum)),)


def _attributes(window: Window, maximum: bool) -> dict:
    """Attributes in the form that the extension takes."""
    return {**window.attributes(), "window": np.array(window.extent, np.int64), "maximum": maximum}


_onednn.defvjp(_forward, _backward)
