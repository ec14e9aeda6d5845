"""The convolutions of FemoNet's training step through oneDNN, by Winograd's filtering and by the plain sum, in turn.

python benchmarks/convolution.py [--rounds N] [--json F]
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from harness import machine

from femo_jax.files import write_json
from femo_jax.models import create_model
from femo_jax.ops import choose, conv2d

SIDES = {"winograd": "1", "plain": "0"}
"""Values of FEMO_WINOGRAD, which the extension reads at each call."""


@dataclass(frozen=True)
class Arguments:
    """Prints the milliseconds of each convolution's three passes, medians over the rounds, and their ratio."""

    rounds: int = 20
    """Turns of each side with each pass."""
    batch: int = 128
    """Images of a step."""
    json: Path | None = None
    """Write the medians to this file."""


def main(arguments: Arguments) -> None:
    """Lets the two ways take turns.

    Raises:
      ConfigError: oneDNN is not to be had.
    """
    choose("onednn")
    report: dict = {"machine": machine(), "batch": arguments.batch, "milliseconds": {}}
    for name, passes in _convolutions(arguments.batch):
        report["milliseconds"][name] = medians = _take_turns(passes, arguments.rounds)
        print(f"{name:<22} " + "   ".join(f"{each}: {_both(sides)}" for each, sides in medians.items()))
    every = [sides for medians in report["milliseconds"].values() for sides in medians.values()]
    total = {side: sum(sides[side] for sides in every) for side in SIDES}
    report["ratio"] = total["plain"] / total["winograd"]
    print(f"{report['machine']['cores']} cores of {report['machine']['processor']}, {arguments.batch} images")
    print(f"together: {_both(total)}: Winograd is {report['ratio']:.2f} times as fast")
    if arguments.json:
        write_json(arguments.json, report)


def _both(sides: dict[str, float]) -> str:
    return f"{sides['winograd']:5.1f} beside {sides['plain']:5.1f} ms"


def _convolutions(batch: int) -> list[tuple[str, dict[str, Callable[[], object]]]]:
    """The passes of each convolution but the first, whose four channels are too few for Winograd's way."""
    model = create_model("femonet")
    params = model.init(jax.random.key(0), jnp.zeros((1, 48, 48, 1)), train=False)["params"]
    kernels = [params[name]["kernel"] for name in sorted(params) if name.startswith("Conv_")]
    return [_passes(kernel, 24 >> index // 2, batch) for index, kernel in enumerate(kernels) if index]


def _passes(kernel: jax.Array, side: int, batch: int) -> tuple[str, dict[str, Callable[[], object]]]:
    _, _, channels, features = kernel.shape
    x = jax.random.normal(jax.random.key(1), (batch, side, side, channels))
    gradient = jax.random.normal(jax.random.key(2), (batch, side, side, features))

    @jax.jit
    def forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv2d(x, kernel, implementation="onednn")

    @jax.jit
    def data(x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        return jax.vjp(lambda x: forward(x, kernel), x)[1](gradient)[0]

    @jax.jit
    def weights(x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        return jax.vjp(lambda kernel: forward(x, kernel), kernel)[1](gradient)[0]

    passes = {
        "forward": lambda: forward(x, kernel),
        "data gradient": lambda: data(x, kernel, gradient),
        "weight gradient": lambda: weights(x, kernel, gradient),
    }
    return f"{side}x{side}, {channels} -> {features}", passes


def _take_turns(passes: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each side, for each pass; the first turn of each does not count."""
    before = os.environ.get("FEMO_WINOGRAD")
    medians = {}
    try:
        for name, run in passes.items():
            times: dict[str, list[float]] = {side: [] for side in SIDES}
            for _ in range(rounds + 1):
                for side, wish in SIDES.items():
                    os.environ["FEMO_WINOGRAD"] = wish
                    start = time.perf_counter()
                    jax.block_until_ready(run())
                    times[side].append(1e3 * (time.perf_counter() - start))
            medians[name] = {side: float(np.median(each[1:])) for side, each in times.items()}
    finally:
        if before is None:
            del os.environ["FEMO_WINOGRAD"]
        else:
            os.environ["FEMO_WINOGRAD"] = before
    return medians


if __name__ == "__main__":
    main(tyro.cli(Arguments))
