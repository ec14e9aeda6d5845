"""`femo plot`: the learning curves of one or several runs."""

from pathlib import Path
from typing import Annotated

import tyro

from femo_jax.cli.arguments import Runs, check_outputs
from femo_jax.cli.console import wrote
from femo_jax.cli.parsing import parse
from femo_jax.train.workdir import METRICS_FILE


def run(
    runs: Runs,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("curves.png"),
) -> None:
    """Draw accuracy and loss by epoch of finished and running runs.

    Example: femo plot runs/a runs/b -o curves.png

    Args:
      runs: Run folders of `femo train`, or their metrics.jsonl files.
      output: The figure: .png, .pdf or .svg; - writes a PNG to standard output.
    """
    from femo_jax.figures.curves import plot_curves  # needs matplotlib

    logs = [run / METRICS_FILE if run.is_dir() else run for run in runs]
    check_outputs({"--output": output}, inputs=logs)
    plot_curves(runs, output)
    wrote(output)


def main(argv: list[str]) -> int:
    """Runs `femo plot`; returns the exit code."""
    parse(run, "femo plot", argv)
    return 0
