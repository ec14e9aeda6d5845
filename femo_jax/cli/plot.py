"""`femo plot`: the learning curves of one or several runs, or the timeline of a frame log."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from femo_jax.cli.arguments import check_outputs
from femo_jax.cli.console import warn, wrote
from femo_jax.cli.parsing import default_hint, parse
from femo_jax.errors import ConfigError
from femo_jax.files import printable
from femo_jax.train.workdir import METRICS_FILE

_LONGEST_LINE = 1 << 20  # bytes that are read of a line

RunsOrLog = Annotated[
    tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...] | LOG", help_behavior_hint="")
]


def run(
    runs: RunsOrLog,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("curves.png"),
    log_source: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint=default_hint)] = None,
) -> None:
    """Draw accuracy and loss by epoch of finished and running runs, or the timeline of a frame log.

    Example: femo plot runs/a runs/b -o curves.png

    Args:
      runs: Run folders of `femo train`, or their metrics.jsonl files; or one frame log of `femo live --log`.
      output: The figure: .png, .pdf or .svg; - writes a PNG to standard output.
      log_source: Of a frame log with several sources, the one to draw.
    """
    logs = [run / METRICS_FILE if run.is_dir() else run for run in runs]
    check_outputs({"--output": output}, inputs=logs)
    frame_logs = [path for path in runs if _is_frame_log(path)]
    for path in runs:
        if path.is_file() and path not in frame_logs and not _may_be_metrics(path):
            raise ConfigError(
                f"{printable(path)}: neither a metrics log, nor a frame log, nor a run folder. Name a run folder of"
                f" `femo train`, its {METRICS_FILE}, or the log of `femo live --log`."
            )
    if log_source is not None and not frame_logs:
        raise ConfigError("--log-source names a source of a frame log, and no frame log was named. Leave it out.")
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

        log = load_log(frame_logs[0], log_source)
        for note in log.notes:
            warn(f"{printable(frame_logs[0])}: {note}")
        title = frame_logs[0].name if log_source is None else f"{frame_logs[0].name}: {log_source}"
        plot_timeline(log, output, title)
    wrote(output)


def _is_frame_log(path: Path) -> bool:
    """Whether the first line of a file has faces; those of a run's metrics have not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"faces"' in file.readline(_LONGEST_LINE)


def _may_be_metrics(path: Path) -> bool:
    """Whether a file is empty, begins to be written, or has at least one record of `femo train`."""
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
        if not first.endswith(b"\n"):
            return first[:1] in (b"", b"{")
        return _is_record(first) or any(map(_is_record, iter(lambda: file.readline(_LONGEST_LINE), b"")))


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"epoch", "step", "split"} <= record.keys()


def main(argv: list[str]) -> int:
    """Runs `femo plot`; returns the exit code."""
    parse(run, "femo plot", argv)
    return 0
