"""Who takes part in train_step.py, and how a turn is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness import WorkerProcess

from femo_jax.errors import FemoError


@dataclass(frozen=True)
class Side:
    """A way to do what is measured.

    Attributes:
      name: its key in the report.
      module: that prepares it.
      function: of the module.
      arguments: of the function.
      group: "network" trains the compared networks, "full" is another part of femo's training, "peak" the machine.
      full_run_alone: left out with --quick.
    """

    name: str
    module: str
    function: str = "prepare"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    group: Literal["network", "full", "peak"] = "network"
    full_run_alone: bool = False

    def of(self, network: str) -> "Side":
        """The same with this network."""
        return replace(self, arguments={"network": network, **self.arguments})


def _jax(layers: str, short: str, dtype: str) -> Side:
    # bfloat16 gains XLA nothing, and compiles for long.
    arguments = {"layers": layers, "dtype": dtype}
    return Side(
        f"{layers}_{short}",
        "train_step_jax",
        arguments=arguments,
        full_run_alone=layers != "onednn" and short == "bf16",
    )


DTYPES = {"f32": "float32", "bf16": "bfloat16"}

SIDES = [
    *(_jax(layers, short, dtype) for layers in ("stock", "xla", "onednn") for short, dtype in DTYPES.items()),
    *(Side(f"torch_{short}", "train_step_torch", arguments={"dtype": dtype}) for short, dtype in DTYPES.items()),
    *(
        # It compiles for about a minute.
        Side(f"torch_compile_{short}", "train_step_torch", "prepare_compiled", {"dtype": dtype}, full_run_alone=True)
        for short, dtype in DTYPES.items()
    ),
    *(Side(f"keras_{short}", "train_step_keras", arguments={"dtype": dtype}) for short, dtype in DTYPES.items()),
]

PARTS = [
    *(
        Side(f"step_onednn_{short}", "train_step_parts", "prepare_full_step", {"ops": "onednn", "dtype": dtype}, "full")
        for short, dtype in DTYPES.items()
    ),
    Side("augmentation", "train_step_parts", "prepare_augmentation", group="full"),
    Side("pipeline", "train_step_parts", "prepare_pipeline", group="full"),
    *(Side(short, "train_step_parts", "prepare_peak", {"dtype": dtype}, "peak") for short, dtype in DTYPES.items()),
]


@dataclass
class Participant:
    """A side that is ready in its process, and what was measured of it.

    Attributes:
      side: what it is.
      worker: the process.
      seconds: of a step, roughly.
      images: of a step.
      parameters: of the network, where it trains one.
      gflop: of a step, where it is known.
      steps_a_second: one a turn.
    """

    side: Side
    worker: WorkerProcess
    seconds: float
    images: int
    parameters: int | None
    gflop: float | None
    steps_a_second: list[float] = field(default_factory=list)

    def take_turn(self, seconds: float) -> float:
        """Works for about so long, at least two steps; gives the processor time that the process took.

        Raises:
          FemoError: the side computed something that is not finite.
        """
        steps = max(2, round(seconds / self.seconds))
        reply = self.worker.ask("run", steps=steps)
        if not abs(reply["loss"]) < float("inf"):
            raise FemoError(f"{self.side.name}: the loss is {reply['loss']}")
        self.steps_a_second.append(steps / reply["seconds"])
        self.seconds = reply["seconds"] / steps
        return reply["cpu_seconds"]

    @property
    def images_a_second(self) -> list[float]:
        """One a turn."""
        return [self.images * rate for rate in self.steps_a_second]

    @property
    def gflop_a_second(self) -> list[float]:
        """One a turn; of nothing where the work of a step is not known."""
        return [(self.gflop or 0.0) * rate for rate in self.steps_a_second]
