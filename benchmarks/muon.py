"""One Muon update of FemoNet's kernels, femo's and Optax's in turn.

python benchmarks/muon.py [--rounds N]
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax.contrib
import tyro
from harness import machine

from femo_jax.models import create_model
from femo_jax.train.optimizer import MUON_ITERATIONS, scale_by_muon

MOMENTUM = 0.9


@dataclass(frozen=True)
class Arguments:
    """Prints the milliseconds of an update by each, medians over the rounds, and the ratio."""

    rounds: int = 20


def main(arguments: Arguments) -> None:
    """Lets femo and Optax take turns."""
    model = create_model("femonet")
    params = model.init(jax.random.key(0), jnp.zeros((1, 48, 48, 1)), train=False)["params"]
    kernels = [array for array in jax.tree.leaves(params) if array.ndim == 4]
    matrix = optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3)
    sides = {
        "femo": scale_by_muon(MOMENTUM),
        "optax": optax.contrib.scale_by_muon(
            ns_steps=MUON_ITERATIONS, beta=MOMENTUM, weight_dimension_numbers=[matrix for _ in kernels]
        ),
    }
    updates = {name: _prepared(side, kernels) for name, side in sides.items()}
    milliseconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, update in updates.items():
            milliseconds[name].append(update())
    medians = {name: float(np.median(times)) for name, times in milliseconds.items()}
    print(
        f"{machine()['cores']} cores of {machine()['processor']}, {MUON_ITERATIONS} iterations, {len(kernels)} kernels"
    )
    print(" · ".join(f"{name} {value:.1f} ms" for name, value in medians.items()))
    print(f"femo is {medians['optax'] / medians['femo']:.2f} times as fast")


def _prepared(transformation: optax.GradientTransformation, kernels: list[jax.Array]) -> Callable[[], float]:
    state = transformation.init(kernels)
    update = jax.jit(transformation.update)
    jax.block_until_ready(update(kernels, state))

    def timed() -> float:
        start = time.perf_counter()
        jax.block_until_ready(update(kernels, state))
        return 1e3 * (time.perf_counter() - start)

    return timed


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments)))
