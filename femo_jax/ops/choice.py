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
    """An implementation, and why it was taken, in words for a log."""

    implementation: Implementation
    reason: str


def choose(ops: Ops = "auto", dtype: str = "float32") -> Choice:
    """The implementation to use with JAX's default backend; starts the backend, and builds the extension if need be.

    `auto` takes oneDNN where JAX runs on one CPU device, the extension is built or can be built, and oneDNN has the
    dtype for this processor; else XLA.

    Args:
      ops: what the user asks for.
      dtype: in which a network will be trained, float32 or bfloat16.

    Raises:
      ConfigError: oneDNN was asked for and is not to be had here; the message says why and what to do.
    """
    if ops == "xla":
        return Choice("xla", "as asked")
    obstacle = _obstacle(dtype)
    if not obstacle:
        why = "as asked" if ops == "onednn" else "JAX runs on one CPU device"
        return Choice("onednn", f"version {load()}, {why}")
    if ops == "onednn":
        raise ConfigError(f"ops onednn: {obstacle}. Choose xla or auto, or mend this")
    return Choice("xla", obstacle)


def _obstacle(dtype: str) -> str:
    """What keeps oneDNN from training in a dtype here; empty where nothing does."""
    if jax.default_backend() != "cpu":
        return f"JAX runs on {jax.default_backend()}, and oneDNN is for a CPU"
    if jax.device_count() > 1:
        return f"there are {jax.device_count()} devices, and oneDNN uses all cores from one"
    try:
        load()
    except NativeError as error:
        return str(error)
    return "" if dtype == "float32" or trains_in_bfloat16() else f"oneDNN has no {dtype} for this processor"
