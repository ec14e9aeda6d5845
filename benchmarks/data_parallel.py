"""Data parallel training over 1, 2, 4 and 8 processes with a core each: the time of a step, and the efficiency.

python benchmarks/data_parallel.py [--json F]

FemoNet through XLA in float32, with one global batch that the processes share. *Alone* is one process on one core with
its share of the batch and nobody to talk to: what small batches cost. *Together* are all processes, connected by
jax.distributed on this machine. Where there are fewer cores than processes the time together is an estimate: the time
alone, and what the exchange of gradients took of two processes, times the bytes that each process sends in a ring
(Patarasu and Yuan 2009, https://doi.org/10.1016/j.jpdc.2008.09.002). About five minutes on two cores.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro
from harness import ProcessorTime, children_seconds, machine
from report import DISTURBED, NO_CONCLUSION

from femo_jax.errors import FemoError
from femo_jax.files import write_json

WORKER = Path(__file__).with_name("data_parallel_worker.py")
COUNTS = (1, 2, 4, 8)
"""Numbers of processes."""

WAYS = ("alone", "together")
"""One process with its share of the batch, and all processes."""


@dataclass(frozen=True)
class Options:
    """Measures data parallel training on one machine."""

    json: Path | None = None
    """Write everything measured to this file."""
    batch: int = 128
    """Images of a step, of all processes together."""
    steps: int = 4
    """Of an epoch."""
    epochs: int = 4
    """That count; the median over them is the time of a step."""
    rounds: int = 3
    """Turns of each number of processes."""


def step_seconds(options: Options, batch: int, processes: int, cache: Path) -> float:
    """Seconds of a step of so many processes, each on a core of its own.

    Raises:
      FemoError: one of them failed.
    """
    cores = sorted(os.sched_getaffinity(0))[:processes]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, WORKER]
    numbers = [batch, options.steps, options.epochs]
    with tempfile.TemporaryFile("w+") as errors:
        running = [
            subprocess.Popen(
                [*map(str, [*command, core, *numbers, *group])],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            for core, group in zip(cores, _groups(processes), strict=True)
        ]
        printed = [process.communicate()[0] for process in running]
        if any(process.returncode for process in running):
            errors.seek(0)
            raise FemoError(f"a process of {processes} failed:\n{errors.read()[-2000:]}")
    return json.loads(printed[0].splitlines()[-1])  # after what gloo prints


def _groups(processes: int) -> list[list[str | int]]:
    """Arguments that connect the processes."""
    if processes == 1:
        return [[]]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [[address, processes, number] for number in range(processes)]


def measure(options: Options) -> dict:
    """Milliseconds of a step and efficiency by number of processes, and what the machine did beside it."""
    cores = len(os.sched_getaffinity(0))
    sides = [("alone", count) for count in COUNTS] + [("together", count) for count in COUNTS if 1 < count <= cores]
    turns: dict[tuple[str, int], list[float]] = {side: [] for side in sides}
    others, own = ProcessorTime(), children_seconds()
    with tempfile.TemporaryDirectory(prefix="femo-benchmark-") as cache:
        for _ in range(options.rounds):
            for way, count in sides:
                processes, batch = (1, options.batch // count) if way == "alone" else (count, options.batch)
                turns[way, count].append(1e3 * step_seconds(options, batch, processes, Path(cache)))
            sides.reverse()
    busy = others.share_beside(children_seconds() - own)
    alone, together = (
        {count: statistics.median(turns[way, count]) for each, count in turns if each == way} for way in WAYS
    )
    return {
        "batch": options.batch,
        "alone_ms": {str(count): ms for count, ms in alone.items()},
        **efficiencies(alone, together),
        "turns_ms": {f"{way} {count}": each for (way, count), each in turns.items()},
        "machine": {**machine(), "others": busy},
    }


def efficiencies(alone: dict[int, float], together: dict[int, float]) -> dict:
    """Measured and estimated times of a step, and efficiencies.

    Args:
      alone: milliseconds of a step of one process with its share of the batch, by number of shares.
      together: milliseconds of a step of all processes, by their number, as far as measured.

    Returns:
      `together_ms` and `efficiency` by number of processes, and `estimated`, the numbers that are estimates.
      Efficiency is the speed-up over one process, divided by the number of processes.
    """
    times = {1: alone[1], **together}
    if 2 in together:
        exchange = max(0.0, together[2] - alone[2])  # each of two processes sends all gradients once
        times |= {n: alone[n] + exchange * 2 * (n - 1) / n for n in alone if n not in times}
    return {
        "together_ms": {str(n): times[n] for n in sorted(times)},
        "efficiency": {str(n): times[1] / (n * times[n]) for n in sorted(times)},
        "estimated": [n for n in sorted(times) if n > 1 and n not in together],
    }


def main(options: Options) -> None:
    """Measures, prints a line for each number of processes, and writes what was asked for."""
    if options.batch % max(COUNTS):
        raise FemoError(f"--batch is {options.batch}: expected a multiple of {max(COUNTS)}.")
    report = measure(options)
    print(f"{'processes':>9} {'alone, ms':>10} {'together, ms':>13} {'images/s':>9} {'efficiency':>11}")
    for count, ms in report["together_ms"].items():
        note = "  (estimate)" if int(count) in report["estimated"] else ""
        rate = 1e3 * options.batch / ms
        efficiency = report["efficiency"][count]
        print(f"{count:>9} {report['alone_ms'][count]:10.0f} {ms:13.0f} {rate:9.0f} {efficiency:10.0%}{note}")
    others = report["machine"]["others"]
    note = f". {NO_CONCLUSION}" if others > DISTURBED else ""
    print(f"other programs took {others:.0%} of the processors' time{note}")
    if options.json:
        write_json(options.json, report)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except FemoError as error:
        sys.exit(str(error))
