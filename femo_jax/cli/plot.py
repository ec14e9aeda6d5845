"""`femo plot`: curves of one or several runs in one figure."""

from pathlib import Path
from typing import Annotated

import tyro

from femo_jax.figures.curves import plot_curves


def run(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("curves.png"),
) -> None:
    """Draws accuracy and loss by epoch from `metrics.jsonl` alone, also of runs still in progress.

    Args:
      runs: Workdirs of `femo train`, or their metrics.jsonl files.
      output: The figure (.png, .pdf or .svg).
    """
    plot_curves(runs, output)
    print(f"Written: {output}")


def main(argv: list[str]) -> int:
    """Runs `femo plot`; returns the exit code."""
    tyro.cli(run, prog="femo plot", args=argv)
    return 0
