"""`femo plot`: the learning curves of one or several runs, or the timeline of a frame log."""

from pathlib import Path
from typing import Annotated

import tyro

from femo_jax.cli.arguments import check_outputs
from femo_jax.cli.console import warn, wrote
from femo_jax.cli.parsing import parse
from femo_jax.errors import ConfigError
from femo_jax.files import printable
from femo_jax.train.workdir import METRICS_FILE

RunsOrLog = Annotated[
    tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...] | LOG", help_behavior_hint="")
]


def run(
    runs: RunsOrLog,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("curves.png"),
) -> None:
    """Draw accuracy and loss by epoch of finished and running runs, or the timeline of a frame log.

    Example: femo plot runs/a runs/b -o curves.png

    Args:
      runs: Run folders of `femo train`, or their metrics.jsonl files; or one frame log of `femo live --log`.
      output: The figure: .png, .pdf or .svg; - writes a PNG to standard output.
    """
    logs = [run / METRICS_FILE if run.is_dir() else run for run in runs]
    check_outputs({"--output": output}, inputs=logs)
    frame_logs = [path for path in runs if _is_frame_log(path)]
    if not frame_logs:
        from femo_jax.figures.curves import plot_curves  # needs matplotlib

        plot_curves(runs, output)
    elif len(runs) > 1:
        raise ConfigError(
            f"{printable(frame_logs[0])}: a frame log, which is drawn alone. Name one log, or runs of `femo train`."
        )
    else:
        from femo_jax.figures.timeline import plot_timeline
        from femo_jax.report.log import load_log

        log = load_log(frame_logs[0])
        for note in log.notes:
            warn(f"{printable(frame_logs[0])}: {note}")
        plot_timeline(log, output, frame_logs[0].name)
    wrote(output)


def _is_frame_log(path: Path) -> bool:
    """Whether the first line of a file has faces; those of a run's metrics have not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"faces"' in file.readline(1 << 20)


def main(argv: list[str]) -> int:
    """Runs `femo plot`; returns the exit code."""
    parse(run, "femo plot", argv)
    return 0
