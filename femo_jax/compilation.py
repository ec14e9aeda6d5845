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

_unknown: set[str] = set()
"""Options that this XLA has been found not to know, in any thread."""


def compile_for_cpu(lowered: jax.stages.Lowered, options: Mapping[str, Any]) -> jax.stages.Compiled:
    """Compiles with options of XLA: with those that this XLA knows, and without any for another device."""
    while True:
        known = {name: value for name, value in options.items() if name not in _unknown}
        try:
            return lowered.compile(compiler_options=known if jax.default_backend() == "cpu" else {})
        except jax.errors.JaxRuntimeError as error:
            unknown = {name for name in known if f"No such compile option: '{name}'" in str(error)}
            if not unknown:
                raise
            _unknown.update(unknown)
