"""Training steps of the same network in femo, stock JAX, PyTorch and Keras, in turn in one run.

python benchmarks/train_step.py [--quick] [--json F] [--figure F]

`pip install -e ".[bench]"` installs all sides; what is not installed is left out. About ten to fifteen
minutes on two cores, with `--quick`, which does FemoNet alone, under three; leave the machine alone meanwhile.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from harness import ProcessorTime, Start, machine
from rich.console import Console
from rich.progress import Progress
from train_step_report import draw_figure, print_report, ratios
from train_step_sides import PARTS, SIDES, Participant, Side

from femo_jax.errors import FemoError
from femo_jax.figures.style import check_format
from femo_jax.files import write_json

WORKER = Path(__file__).with_name("train_step_worker.py")
NETWORKS = ("femonet", "vgg")


@dataclass(frozen=True)
class Options:
    """Measures training steps of the same network in femo, stock JAX, PyTorch and Keras, in turn."""

    quick: bool = False
    """FemoNet alone, in fewer and shorter turns."""
    json: Path | None = None
    """Write everything measured to this file."""
    figure: Path | None = None
    """Draw the comparison to this file."""
    rounds: int | None = None
    """How often each side has its turn with a network; default: 7, quick 3."""
    seconds: float | None = None
    """How long a turn is, about; default: 2, quick 1."""


def main(options: Options) -> None:
    """Measures, prints the table, and writes what was asked for."""
    console = Console()
    if options.figure:
        check_format(options.figure)
    report = measure(options, console)
    print_report(report, console)
    if options.json:
        write_json(options.json, report)
    if options.figure:
        draw_figure(report, options.figure)


def measure(options: Options, console: Console) -> dict:
    """Everything that the benchmark reports, as in its JSON file."""
    networks = NETWORKS[:1] if options.quick else NETWORKS
    rounds = options.rounds or (3 if options.quick else 7)
    seconds = options.seconds or (1.0 if options.quick else 2.0)
    report: dict = {name: {} for name in networks}
    report |= {"femo_full": {}, "peak_gflop_per_second": {}, "details": {}, "left_out": {}, "versions": {}}
    report["machine"] = {**machine(), "others": {}}
    for network in networks:
        sides = [side for side in SIDES if not (options.quick and side.full_run_alone)]
        parts = PARTS if network == "femonet" else [side for side in PARTS if side.group == "peak"]
        with ExitStack() as stack:
            participants = start(stack, [side.of(network) for side in sides] + parts, report, console)
            others = take_turns(participants, rounds, seconds, report["left_out"], console)
            report["machine"]["others"][network] = others
        note(report, network, participants)
    report["ratio"] = ratios(report)
    return report


def start(stack: ExitStack, sides: list[Side], report: dict, console: Console) -> list[Participant]:
    """The sides that are to be had, each ready in a process of its own, which ends with `stack`."""
    participants = []
    workers = [stack.enter_context(Start([sys.executable, WORKER]).running()) for _ in sides]

    def prepare(number: int) -> dict:
        side = sides[number]
        return workers[number].ask("prepare", module=side.module, function=side.function, arguments=side.arguments)

    # Two at a time, since a compiler uses one core for most of its work.
    with ThreadPoolExecutor(2) as pool, Progress(console=console, transient=True) as progress:
        task = progress.add_task("compiling", total=len(sides))
        for side, worker, reply in zip(sides, workers, pool.map(prepare, range(len(sides))), strict=True):
            progress.advance(task)
            if "obstacle" in reply:
                report["left_out"][side.name] = reply["obstacle"]
                continue
            report["versions"] |= reply.pop("versions")
            participants.append(Participant(side, worker, **reply))
    return participants


def take_turns(
    participants: list[Participant], rounds: int, seconds: float, left_out: dict[str, str], console: Console
) -> float:
    """A turn of about so many seconds for each in each round, the order reversed from round to round.

    A participant that fails leaves the list, and its reason is put into `left_out`.

    Returns:
      The processor time that others took meanwhile, as a share of all processors: 0 on an idle machine.
    """
    others = ProcessorTime()
    own_seconds = 0.0
    order = list(participants)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(order))
        for _ in range(rounds):
            for participant in list(order):
                try:
                    own_seconds += participant.take_turn(seconds)
                except FemoError as error:
                    left_out[participant.side.name] = str(error)
                    participants.remove(participant)
                    order.remove(participant)
                progress.advance(task)
            order.reverse()
    return others.share_beside(own_seconds)


def note(report: dict, network: str, participants: list[Participant]) -> None:
    """Puts what was measured into the report."""
    counts = {each.parameters for each in participants if each.parameters is not None}
    if len(counts) > 1:
        raise FemoError(f"the sides do not train the same {network}: they have {sorted(counts)} parameters")
    groups = {"network": network, "full": "femo_full", "peak": "peak_gflop_per_second"}
    gflop = next((each.gflop for each in participants if each.side.group == "network" and each.gflop), None)
    details = {"parameters": counts.pop() if counts else None, "gflop_a_step": gflop, "rounds": {}}
    report["details"][network] = details
    for each in participants:
        rates = each.gflop_a_second if each.side.group == "peak" else each.images_a_second
        # The machine's peak is measured again beside each network: shares are of the peak of the same minutes.
        details["rounds"][each.side.name] = rates
        report[groups[each.side.group]].setdefault(each.side.name, float(np.median(rates)))
    details["share_of_peak"] = {}
    for each in participants:
        peak = details["rounds"].get("bf16" if each.side.name.endswith("bf16") else "f32")
        if each.side.group == "network" and peak and gflop:
            rate = float(np.median(each.images_a_second)) / each.images * gflop
            details["share_of_peak"][each.side.name] = rate / float(np.median(peak))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
