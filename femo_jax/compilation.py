"""How XLA compiles on a CPU where that takes longer than the program runs."""

from collections.abc import Mapping
from typing import Any

import jax

PLAIN = {"xla_cpu_use_fusion_emitters": False}
"""Fused operations by XLA's older emitter. FemoNet compiles in half of the processor time, a process that does so takes
50 MiB less, and it gives the same numbers at the same speed: its time goes into convolutions."""

HASTY = {**PLAIN, "xla_backend_optimization_level": 1}
"""For what runs once: initial weights of `femonet-small` compile in less than a third of the time, and are the same
numbers."""


def compile_for_cpu(lowered: jax.stages.Lowered, options: Mapping[str, Any]) -> jax.stages.Compiled:
    """Compiles with options of XLA: with those that this XLA knows, and without any for another device."""
    left = dict(options) if jax.default_backend() == "cpu" else {}
    while True:
        try:
            return lowered.compile(compiler_options=left)
        except jax.errors.JaxRuntimeError as error:
            unknown = [name for name in left if f"No such compile option: '{name}'" in str(error)]
            if not unknown:
                raise
            del left[unknown[0]]
