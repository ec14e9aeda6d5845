"""Which implementation a program takes: asked for by name, or chosen for the devices at hand."""

from typing import Literal, NamedTuple

import jax

from femo_jax.errors import ConfigError
from femo_jax.ops.native.library import NativeError, load, trains_in_bfloat16

Implementation = Literal["xla", "onednn"]
"""XLA, on every platform; or oneDNN, on a CPU where the extension can be built."""

Ops = Literal["auto", "xla", "onednn"]
"""What a user asks for."""


class Choice(NamedTuple):
    """How the layers are carried out.

    Attributes:
      implementation: of XLA or oneDNN.
      dtype: in which a training step's convolutions and activations are computed, float32 or bfloat16.
      reason: why, in words for a log.
    """

    implementation: Implementation
    dtype: str
    reason: str


def choose(ops: Ops = "auto", dtype: str = "float32") -> Choice:
    """The implementation to use with JAX's default backend; starts the backend, and builds the extension if need be.

    `auto` takes oneDNN where JAX runs on one CPU device and the extension is built or can be built; else XLA. A
    processor without bfloat16 only imitates it, slower than it computes in float32, which loses nothing: there `auto`
    has oneDNN train in float32.

    Args:
      ops: what the user asks for.
      dtype: in which a network is to be trained, float32 or bfloat16.

    Raises:
      ConfigError: oneDNN was asked for and is not to be had here; the message says why and what to do.
    """
    if ops == "xla":
        return Choice("xla", dtype, "as asked")
    obstacle = _obstacle()
    otherwise = Choice("xla", dtype, obstacle)
    if not obstacle:
        why = f"version {load()}, {'as asked' if ops == 'onednn' else 'JAX runs on one CPU device'}"
        if dtype == "float32" or trains_in_bfloat16():
            return Choice("onednn", dtype, why)
        obstacle = f"oneDNN has no {dtype} for this processor"
        otherwise = Choice("onednn", "float32", f"{why}; in float32, since {obstacle}")
    if ops == "onednn":
        raise ConfigError(f"ops onednn: {obstacle}. Choose xla or auto, or mend this")
    return otherwise


def _obstacle() -> str:
    """What keeps oneDNN from being used here; empty where nothing does."""
    if jax.default_backend() != "cpu":
        return f"JAX runs on {jax.default_backend()}, and oneDNN is for a CPU"
    if jax.device_count() > 1:
        return f"there are {jax.device_count()} devices, and oneDNN uses all cores from one"
    try:
        load()
    except NativeError as error:
        return str(error)
    return ""
