"""`femo sweep CONFIG [CONFIG ...] --data P [--grid FIELD=V1,V2 ...] [--seeds 0 1 2]`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, UseAppendAction, arg

from femo_jax.cli.console import make_room, say
from femo_jax.cli.train import RunOptions, prepare_devices, train_run
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError, DivergenceError
from femo_jax.evaluate.summary import (
    COLUMNS,
    Row,
    as_json,
    is_finished,
    markdown,
    read_rows,
    run_folders,
)
from femo_jax.files import write_json, write_text
from femo_jax.signals import Stopped, StopRequest, stop_request
from femo_jax.train.config import load_config
from femo_jax.train.sweep import Run, check_run, expand, parse_grid

_PAGE = """# Sweep

All figures are of the validation split, on which each run chose its best epoch, so they flatter a little; ± is the
sample standard deviation over seeds. Flip TTA (probabilities averaged over an image and its mirror image), F1
(mean over classes) and ECE (expected calibration error) are of the best epoch. Minutes are a run's mean.

"""


_LEAST_FIRST = ("parameters", "mult-adds", "epochs", "minutes", "ECE", "F1", "last epoch", "flip TTA", "seeds")
"""Columns in the order in which a narrow terminal does without them."""


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Trains a grid of configurations, one run after another, and compares them in one table and figure.

    Started again with the same workdir, it goes on where it was broken off: finished runs are not trained again.
    """

    configs: Annotated[Positional[tuple[Path, ...]], arg(metavar="CONFIG [CONFIG ...]")]
    """Names of packaged configurations, or Python files."""
    workdir: Path = Path("runs/sweep")
    """Holds a run folder CONFIG,FIELD=VALUE/seedK for each run, and sweep.md, sweep.json and sweep.png of all in it."""
    grid: Annotated[UseAppendAction[tuple[tuple[str, ...], ...]], arg(metavar="FIELD=V1,V2")] = ()
    """Values of a field to try, such as label_smoothing=0,0.1 or augmentation.rotation=5,10 or
    model_options.widths=[24,48],[48,96]. Several fields are tried in every combination."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds that each configuration is trained with."""


def main(argv: list[str]) -> int:
    """Runs `femo sweep`.

    Returns:
      0 when all runs are finished, 1 when one of them diverged, 128 + signal when the sweep was stopped by one.
    """
    options = tyro.cli(Options, prog="femo sweep", args=argv)
    grid = parse_grid(item for items in options.grid for item in items)
    runs = expand([(path.stem, load_config(path)) for path in options.configs], grid, options.seeds)
    prepare_devices(options.cpu_devices)
    # This starts JAX's backend, as all of training does.
    from femo_jax.train.loop import Interrupted

    with stop_request() as stop:
        try:
            return _sweep(options, runs, stop)
        except Interrupted as interrupted:
            say(str(interrupted))
            return 128 + interrupted.signum
        except Stopped:
            say("stopped between two runs; the same command goes on with the rest")
            return 128 + stop.signum


def _sweep(options: Options, runs: Sequence[Run], stop: StopRequest) -> int:
    from femo_jax.data.load import load_split  # TensorFlow comes with the data

    console, failed = Console(), {}
    # `train` answers a signal itself, with a checkpoint. Outside of it nothing is left half done.
    with stop.interruptible():
        train_split, validation_split = load_split(options.data, "train"), load_split(options.data, "validation")
        _check(options, runs, train_split, validation_split)
        for number, run in enumerate(runs, start=1):
            if stop:  # Stopped came while a destructor ran, and Python drops what is raised in one
                raise Stopped
            folder = options.workdir / run.folder
            if is_finished(folder):
                continue
            console.print(f"run {number} of {len(runs)}: {folder}", highlight=False, soft_wrap=True)
            try:
                train_run(run.config, folder, train_split, validation_split, options.ops)
            except DivergenceError as error:
                failed.setdefault(run.label, {})[run.config.seed] = str(error)
                say(f"{folder}: failed, {error}")
            _write_summary(options.workdir, failed)
        rows = _write_summary(options.workdir, failed)  # for a sweep with nothing left to train
    _print_table(rows, console)
    console.print(f"wrote sweep.md, sweep.json and sweep.png in {options.workdir}", highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _check(options: Options, runs: Sequence[Run], train_split: Split, validation_split: Split) -> None:
    """Finds now what would end the sweep after hours; what is wrong is raised as ConfigError or CheckpointError."""
    from femo_jax.train.workdir import check_workdir, describe_data, read_run_record

    begun = run_folders(options.workdir)
    data = {}
    for run in {run.label: run for run in runs}.values():
        check_run(run, options.ops, train_split)
        data = describe_data(train_split, validation_split, run.config)
        # Also of seeds that are not asked for now, since they stand in the same row.
        for seed, folder in begun.get(run.label, {}).items():
            check_workdir(folder, dataclasses.replace(run.config, seed=seed), data)
    for folder in (folder for seeds in begun.values() for folder in seeds.values()):
        if read_run_record(folder)["data"]["validation"] != data["validation"]:
            raise ConfigError(f"{folder}: a run on other data than {options.data} is here. Choose another --workdir")
    read_rows(options.workdir)


def _write_summary(root: Path, failed: dict[str, dict[int, str]]) -> list[Row]:
    from femo_jax.figures.summary import plot_summary

    rows = read_rows(root, failed)
    page = _PAGE + markdown(rows)
    reasons = [f"- {label}, seed {seed}: {why}\n" for label, seeds in failed.items() for seed, why in seeds.items()]
    if reasons:
        page += "\nFailed:\n\n" + "".join(reasons)
    if any(row.seeds for row in rows):
        page += "\n![Validation accuracy by epoch and by seed](sweep.png)\n"
        plot_summary(rows, run_folders(root), root / "sweep.png", "Sweep")
    write_json(root / "sweep.json", as_json(rows))
    write_text(root / "sweep.md", page)
    return rows


def _print_table(rows: Sequence[Row], console: Console) -> None:
    """Prints the columns for which there is room; `sweep.md` has all."""
    columns = list(COLUMNS)
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
