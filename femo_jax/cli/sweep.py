"""`femo sweep CONFIG [CONFIG ...] --data DATA [--grid FIELD=V1,V2 ...] [--seeds 0 1 2]`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from femo_jax.cli.arguments import check_folder
from femo_jax.cli.console import error_console, note, warn, wrote
from femo_jax.cli.parsing import parse
from femo_jax.cli.train import RunOptions
from femo_jax.configs import resolve_config
from femo_jax.signals import Stopped, StopRequest, stop_request
from femo_jax.train.config import load_config
from femo_jax.train.sweep import expand, parse_grid

if TYPE_CHECKING:
    from femo_jax.evaluate.summary import Row

_LEAST_FIRST = ("parameters", "mult-adds", "epochs", "minutes", "ECE", "F1", "last epoch", "flip TTA", "seeds")
"""Columns in the order in which a narrow terminal leaves them out."""


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Train a grid of configurations, one run after another, and compare them in one table and figure.

    The same command resumes a sweep that was stopped; finished runs are not trained again.

    Example: femo sweep smoke --data fer2013.zip --grid label_smoothing=0,0.1 --seeds 0 1 2
    """

    configs: Annotated[Positional[tuple[Path, ...]], arg(metavar="CONFIG [CONFIG ...]", help_behavior_hint="")]
    """Names of packaged configurations, or Python files."""
    workdir: Annotated[Path, arg(metavar="FOLDER")] = Path("runs/sweep")
    """Folder of the sweep: a run folder CONFIG,FIELD=VALUE/seedK for each run, and sweep.md, sweep.json, sweep.png."""
    grid: Annotated[UseAppendAction[tuple[tuple[str, ...], ...]], arg(metavar="FIELD=V1,V2")] = ()
    """Values of a field to try, such as label_smoothing=0,0.1 or augmentation.rotation=5,10 or
    model_options.widths=[24,48],[48,96]. Several fields are tried in every combination."""
    seeds: Annotated[tuple[int, ...], arg(metavar="N [N ...]")] = (0, 1, 2)
    """Seeds of each configuration."""


def main(argv: list[str]) -> int:
    """Runs `femo sweep`.

    Returns:
      0 when all runs are finished, 1 when one of them diverged, 128 + signal when the sweep was stopped by one.
    """
    options = parse(Options, "femo sweep", argv)
    grid = parse_grid(item for items in options.grid for item in items)
    runs = expand([(resolve_config(path).stem, load_config(path)) for path in options.configs], grid, options.seeds)

    def begin(*splits: Any, **how: Any) -> Iterator[Path]:
        from femo_jax.runs import train_sweep

        return train_sweep(runs, options.workdir, *splits, **how)

    return carry_out(options, options.workdir, begin)


def carry_out(options: RunOptions, workdir: Path, begin: Callable[..., Iterator[Path]]) -> int:
    """Trains several runs, one after the other, and prints their table.

    Args:
      options: data, devices, kernel backend and loader.
      workdir: folder of the runs.
      begin: `train_sweep` or a function like it: from both splits and its keywords, the folders of the runs.

    Returns:
      0 when all runs are finished, 1 when one of them diverged, 128 + signal when a signal stopped them.
    """
    from femo_jax.train.devices import prepare_devices

    check_folder("--workdir", workdir)
    prepare_devices(options.cpu_devices)
    # This starts JAX's backend, as all of training does.
    from femo_jax.train.loop import Interrupted

    with stop_request() as stop:
        try:
            return _train(options, workdir, begin, stop)
        except Interrupted as interrupted:
            note(str(interrupted))
            return 128 + interrupted.signum
        except Stopped:
            note("stopped between two runs; the same command resumes with the others")
            return 128 + stop.signum


def _train(options: RunOptions, workdir: Path, begin: Callable[..., Iterator[Path]], stop: StopRequest) -> int:
    from femo_jax.data.load import load_split  # OpenCV comes with the data
    from femo_jax.evaluate.summary import read_rows
    from femo_jax.runs import SUMMARY_FILES

    failed: dict[str, dict[int, str]] = {}
    # `train` answers a signal itself, with a checkpoint. Outside of it nothing is left half done.
    with stop.interruptible():
        train_split, validation_split = load_split(options.data, "train"), load_split(options.data, "validation")
        how = {"ops": options.ops, "loader": options.loader, "console": error_console(), "failed": failed}
        for _ in begin(train_split, validation_split, **how):
            if stop:  # Stopped came while a destructor ran, and Python drops what is raised in one
                raise Stopped
        rows = read_rows(workdir, failed)
    for label, seeds in failed.items():
        for seed, why in seeds.items():
            warn(f"{workdir / label / f'seed{seed}'}: failed, {why}")
    _print_table(rows)
    wrote(*(workdir / name for name in SUMMARY_FILES))
    return 1 if failed else 0


def _print_table(rows: "Sequence[Row]") -> None:
    """Prints the columns for which there is room; `sweep.md` has all."""
    from rich.console import Console
    from rich.table import Table

    from femo_jax.cli.console import make_room
    from femo_jax.evaluate.summary import COLUMNS

    console, columns = Console(), list(COLUMNS)
    for least in (*_LEAST_FIRST, None):
        table = Table("label", title="validation")
        for heading in columns:
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(row.label, *(COLUMNS[heading](row) for heading in columns))
        if make_room(console, table) <= console.width or least is None:
            break
        columns.remove(least)
    console.print(table)
