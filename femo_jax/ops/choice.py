"""The kernel backend of a program: requested by name, or chosen for the available devices."""

from typing import Literal, NamedTuple

import jax

from femo_jax.errors import ConfigError
from femo_jax.ops.native.library import NativeError, load, trains_in_bfloat16

Implementation = Literal["xla", "onednn", "lax"]
"""Kernel backend: XLA, on every platform; oneDNN, on a CPU where the extension can be built; or `lax`, XLA with one
operation a layer, for graphs that are exported (`xla` writes out some layers as several, which train faster)."""

Ops = Literal["auto", "xla", "onednn"]
"""A user's request; `auto` chooses."""


class Choice(NamedTuple):
    """The kernel backend of the layers.

    Attributes:
      implementation: XLA or oneDNN.
      dtype: compute dtype of convolutions and activations in training, float32 or bfloat16.
      reason: why it was chosen, for a log.
    """

    implementation: Implementation
    dtype: str
    reason: str


def choose(ops: Ops = "auto", dtype: str = "float32") -> Choice:
    """Choose the kernel backend for JAX's default device; starts JAX, and builds the extension if needed.

    `auto` takes oneDNN if JAX runs on one CPU device and the extension is built or can be built, otherwise XLA. A
    processor without bfloat16 instructions emulates them more slowly than it computes in float32: there oneDNN trains
    in float32.

    Args:
      ops: the user's request.
      dtype: requested compute dtype, float32 or bfloat16.

    Raises:
      ConfigError: oneDNN was requested and is not available; the message gives the reason and the remedy.
    """
    if ops == "xla":
        return Choice("xla", dtype, "requested")
    obstacle = _obstacle()
    otherwise = Choice("xla", dtype, obstacle)
    if not obstacle:
        why = f"version {load()}, {'requested' if ops == 'onednn' else 'JAX runs on one CPU device'}"
        if dtype == "float32" or trains_in_bfloat16():
            return Choice("onednn", dtype, why)
        obstacle = f"oneDNN has no {dtype} for this processor"
        otherwise = Choice("onednn", "float32", f"{why}; in float32, since {obstacle}")
    if ops == "onednn":
        raise ConfigError(f"ops onednn: {obstacle}. Choose xla or auto, or fix this")
    return otherwise


def _obstacle() -> str:
    """The reason why oneDNN cannot be used here; empty if it can."""
    if jax.default_backend() != "cpu":
        return f"JAX runs on {jax.default_backend()}, and oneDNN is for a CPU"
    if jax.device_count() > 1:
        return f"there are {jax.device_count()} devices, and oneDNN uses all cores from one"
    try:
        load()
    except NativeError as error:
        return str(error)
    return ""
