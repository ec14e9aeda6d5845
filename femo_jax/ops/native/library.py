"""The compiled extension as JAX calls it."""

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from femo_jax.ops.native.build import NativeError, build, find_onednn

_HANDLERS = (
    "ConvolutionForward",
    "ConvolutionBackwardData",
    "ConvolutionBackwardWeights",
    "BatchNormalizationForward",
    "BatchNormalizationBackward",
    "PoolingForward",
    "PoolingBackward",
)

__all__ = ["NativeError", "batch_norm_workspace", "call", "load", "trains_in_bfloat16"]


def load() -> str:
    """Build the extension if needed, load it, and register its functions with JAX; return oneDNN's version.

    Raises:
      NativeError: see `femo_jax.ops.native.build`; or the libraries cannot be loaded.
    """
    return _library()[1]


@cache
def _library() -> tuple[ctypes.CDLL, str]:
    onednn = find_onednn()
    path = build(onednn)
    try:
        # In this order each finds what it needs among the libraries that are loaded already, in whatever folder.
        *_, library = [ctypes.CDLL(str(each)) for each in (*onednn.libraries, path)]
        handlers = {name: getattr(library, name) for name in _HANDLERS}
        library.TrainsInBfloat16.restype = ctypes.c_bool
        library.BatchNormalizationWorkspace.restype = ctypes.c_int64
        library.BatchNormalizationWorkspace.argtypes = [ctypes.c_int64] * 4 + [ctypes.c_bool] * 2
    except (OSError, AttributeError) as error:  # AttributeError: a library without one of the functions
        raise NativeError(
            f"oneDNN does not load: {error}. Delete {path.parent} to build the extension again"
        ) from error
    for name, handler in handlers.items():
        jax.ffi.register_ffi_target(_target(name), jax.ffi.pycapsule(handler), platform="cpu")
    return library, onednn.version


def trains_in_bfloat16() -> bool:
    """Whether oneDNN has bfloat16 for this processor; raises NativeError as `load` does."""
    return _library()[0].TrainsInBfloat16()


def _target(name: str) -> str:
    return f"femo.{name}"


def call(name: str, output: Any, *arrays: jax.Array, **attributes: Any) -> Any:
    """Call a function of the extension inside JAX.

    Args:
      name: of the handler.
      output: anything with the output's shape and dtype, or a tuple of such things.
      *arrays: its inputs; the dtype of the first, float32 or bfloat16, is the compute dtype.
      **attributes: numbers, as NumPy scalars or arrays, that the C++ side expects.

    Raises:
      NativeError: the extension cannot be built or loaded.
      TypeError: another dtype.
    """
    load()
    if arrays[0].dtype not in (jnp.float32, jnp.bfloat16):
        raise TypeError(f"{name}: expected float32 or bfloat16, got {arrays[0].dtype}")

    def result(each: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(each.shape, each.dtype)

    results = tuple(map(result, output)) if isinstance(output, Sequence) else result(output)
    return jax.ffi.ffi_call(_target(name), results)(*arrays, **attributes)


def batch_norm_workspace(x: jax.Array, *, relu: bool) -> int:
    """Size in bytes of the workspace that batch normalisation of `x [n, h, w, c]` passes to its backward pass."""
    size = _library()[0].BatchNormalizationWorkspace(*x.shape, x.dtype == jnp.bfloat16, relu)
    if size < 0:
        raise NativeError(f"oneDNN has no batch normalisation of {x.shape} {x.dtype}")
    return size
