"""Whole runs: one training with its report and figures, and a sweep of many with their summary."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
from rich.console import Console

from femo_jax.data.pipeline import Loader
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError, DivergenceError
from femo_jax.evaluate.run_report import write_run_report
from femo_jax.evaluate.summary import Row, as_json, is_finished, markdown, read_rows, run_folders
from femo_jax.figures.report import draw_run
from femo_jax.figures.summary import plot_summary
from femo_jax.files import write_json, write_text
from femo_jax.ops import Ops
from femo_jax.train.config import TrainConfig
from femo_jax.train.loop import train
from femo_jax.train.progress import ConsoleReporter, Reporter, SilentReporter, record_writer
from femo_jax.train.starting_weights import with_options_of
from femo_jax.train.sweep import Run, check_run, expand
from femo_jax.train.teachers import load_teachers
from femo_jax.train.workdir import CONFIG_FILE, check_workdir, describe_data, read_run_record
from femo_jax.weights import load_model

SUMMARY_FILES = ("sweep.md", "sweep.json", "sweep.png")

_PAGE = """# Sweep

All metrics are of the validation split, on which each run chose its best epoch, so they are slightly optimistic; ± is
the sample standard deviation over seeds. Flip TTA, F1 (mean over classes) and ECE (expected calibration error) are of
the best epoch. Minutes are the mean of a run.

"""


def train_run(
    config: TrainConfig,
    workdir: Path,
    train_split: Split,
    validation_split: Split,
    *,
    ops: Ops = "auto",
    loader: Loader = "auto",
    tensorboard: bool = False,
    restart: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Trains one run to its end and writes its report and figures.

    Args:
      config: what to train.
      workdir: run folder; a run in it with the same configuration and data is resumed.
      train_split: images to fit.
      validation_split: images by which the best epoch is chosen.
      ops: kernel backend, see `femo_jax.ops`.
      loader: of training batches, see `femo_jax.data.pipeline`.
      tensorboard: also write TensorBoard event files.
      restart: delete a run in the workdir first.
      console: where progress is shown; standard error by default.

    Returns:
      The files of the report, in the first process; nothing in the others.

    Raises:
      FemoError: as `femo_jax.train.loop.train`.
      Interrupted: a signal asked the run to stop; a checkpoint was saved.

    Examples:
      >>> from femo_jax.data.load import load_split  # doctest: +SKIP
      >>> from femo_jax.train.config import load_config  # doctest: +SKIP
      >>> train_split, validation_split = (
      ...     load_split("fer2013.zip", name) for name in ("train", "validation")
      ... )  # doctest: +SKIP
      >>> train_run(
      ...     load_config("femonet-small"), Path("runs/small"), train_split, validation_split
      ... )  # doctest: +SKIP
    """
    first = jax.process_index() == 0
    console = console or Console(stderr=True)
    reporter: Reporter = ConsoleReporter(console, config.epochs) if first else SilentReporter()
    config = with_network_of_init(config, None if restart else workdir)
    with record_writer(workdir if tensorboard and first else None) as on_record:
        train(
            config,
            workdir,
            train_split,
            validation_split,
            reporter,
            on_record,
            ops,
            loader=loader,
            restart=restart,
            load_model=load_model,
        )
    if not first:
        return []
    files = [*write_run_report(workdir, train_split, validation_split), *draw_run(workdir)]
    for file in files:
        reporter.report(f"wrote {file}")
    return files


def with_network_of_init(config: TrainConfig, workdir: Path | None = None) -> TrainConfig:
    """The configuration with the network's options of its starting weights, where it has none of its own.

    Args:
      config: unchanged where it names no starting weights.
      workdir: of a run that may have begun. Its `config.json` then has the options, so that a run resumes where the
        starting weights are not at hand any more.

    Raises:
      FemoError: the starting weights cannot be loaded, or are of another architecture.
    """
    if not config.init:
        return config
    if workdir is not None and (workdir / CONFIG_FILE).is_file():
        begun = read_run_record(workdir)["config"]
        if (begun["init"], begun["model"]) == (config.init, config.model):
            return dataclasses.replace(config, model_options={**begun["model_options"], **config.model_options})
    return with_options_of(config, load_model(config.init))


def train_sweep(
    runs: Sequence[Run],
    workdir: Path,
    train_split: Split,
    validation_split: Split,
    *,
    ops: Ops = "auto",
    loader: Loader = "auto",
    console: Console | None = None,
    failed: dict[str, dict[int, str]] | None = None,
) -> Iterator[Path]:
    """Trains the runs of a sweep one after the other, and keeps its summary up to date; finished runs are left alone.

    Args:
      runs: of `femo_jax.train.sweep.expand`.
      workdir: folder of the sweep, with a run folder for each run and the summary, see `SUMMARY_FILES`.
      train_split: images to fit.
      validation_split: images by which each run chooses its best epoch.
      ops: kernel backend, see `femo_jax.ops`.
      loader: of training batches, see `femo_jax.data.pipeline`.
      console: where progress is shown; standard error by default.
      failed: gets why runs diverged, by label and seed.

    Yields:
      The folder of each run before it begins, a safe point to stop at.

    Raises:
      FemoError: a run cannot begin, or what is in the folder is of another sweep; checked before the first run begins.
      Interrupted: a signal asked a run to stop; it has saved a checkpoint.
    """
    failed = {} if failed is None else failed
    console = console or Console(stderr=True)
    check_sweep(runs, workdir, train_split, validation_split, ops)
    for number, run in enumerate(runs, start=1):
        folder = workdir / run.folder
        if is_finished(folder):
            continue
        yield folder
        console.print(f"run {number} of {len(runs)}: {folder}", highlight=False, markup=False, soft_wrap=True)
        try:
            train_run(run.config, folder, train_split, validation_split, ops=ops, loader=loader, console=console)
        except DivergenceError as error:
            failed.setdefault(run.label, {})[run.config.seed] = str(error)
        write_summary(workdir, failed)
    write_summary(workdir, failed)  # for a sweep with nothing left to train


def train_distilled(
    student: tuple[str, TrainConfig],
    teacher: tuple[str, TrainConfig],
    workdir: Path,
    train_split: Split,
    validation_split: Split,
    *,
    seeds: Sequence[int] = (0,),
    teacher_seeds: Sequence[int] = (0, 1, 2),
    grid: Mapping[str, Sequence[str]] = MappingProxyType({}),
    teacher_grid: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ops: Ops = "auto",
    loader: Loader = "auto",
    console: Console | None = None,
    failed: dict[str, dict[int, str]] | None = None,
) -> Iterator[Path]:
    """Trains teachers, then students from them by consistent distillation, as two sweeps in one folder.

    Args:
      student: name and configuration. The run folders of the teachers take the place of its `teachers`.
      teacher: name and configuration.
      workdir: folder of both sweeps, see `train_sweep`; what is in it is resumed.
      train_split: images to fit.
      validation_split: images by which each run chooses its best epoch.
      seeds: of the student, each from all teachers.
      teacher_seeds: of the teachers.
      grid: values of the student's fields, see `femo_jax.train.sweep.expand`; each combination is a student.
      teacher_grid: the same of the teachers; all combinations teach together.
      ops: kernel backend, see `femo_jax.ops`.
      loader: of training batches, see `femo_jax.data.pipeline`.
      console: where progress is shown; standard error by default.
      failed: gets why students diverged, by label and seed.

    Yields:
      The folder of each run before it begins, a safe point to stop at.

    Raises:
      DivergenceError: a teacher diverged; no student is trained.
      FemoError: as `train_sweep`. Both configurations are checked before the first run begins.
      Interrupted: a signal asked a run to stop; it has saved a checkpoint.

    References:
      Beyer et al. 2021, "Knowledge distillation: A good teacher is patient and consistent", arXiv:2106.05237.
    """
    if "teachers" in grid:
        raise ConfigError("--grid teachers: they are trained here. Use `femo sweep` for teachers that exist")
    teachers = expand([teacher], teacher_grid, teacher_seeds)
    folders = tuple(str(workdir / run.folder) for run in teachers)
    students = expand([(student[0], dataclasses.replace(student[1], teachers=folders))], grid, seeds)
    labels = {run.label for run in teachers}
    for run in {run.label: run for run in students}.values():
        if run.label in labels:
            raise ConfigError(f"{run.label}: teacher and student have the same name. Rename one of the configurations")
        alone = dataclasses.replace(run.config, teachers=(), distillation_weight=0.0, distillation_temperature=1.0)
        check_run(run._replace(config=alone), ops, train_split)
    failed = {} if failed is None else failed
    how: dict[str, Any] = {"ops": ops, "loader": loader, "console": console, "failed": failed}
    yield from train_sweep(teachers, workdir, train_split, validation_split, **how)
    for label in labels & failed.keys():
        for seed, why in failed[label].items():
            raise DivergenceError(f"teacher {label} of seed {seed} diverged: {why}, or leave it out")
    yield from train_sweep(students, workdir, train_split, validation_split, **how)


def check_sweep(runs: Sequence[Run], workdir: Path, train_split: Split, validation_split: Split, ops: Ops) -> None:
    """Raises now, as FemoError, what would end a sweep after hours."""
    begun = run_folders(workdir)
    data = {}
    for run in {run.label: run for run in runs}.values():
        config = with_network_of_init(run.config, workdir / run.folder)
        teachers = load_teachers(config, load_model, train_split.class_names)
        check_run(run._replace(config=config), ops, train_split, teachers)
        data = describe_data(train_split, validation_split, config, teachers)
        # Other seeds as well, since they are in the same row of the table.
        for seed, folder in begun.get(run.label, {}).items():
            check_workdir(folder, dataclasses.replace(config, seed=seed), data)
    for folder in (folder for seeds in begun.values() for folder in seeds.values()):
        if read_run_record(folder)["data"]["validation"] != data["validation"]:
            raise ConfigError(f"{folder}: has a run on other data. Choose another --workdir")
    read_rows(workdir)


def write_summary(workdir: Path, failed: Mapping[str, Mapping[int, str]]) -> list[Row]:
    """Writes `SUMMARY_FILES` of the finished runs in a folder; returns the rows of the table."""
    rows = read_rows(workdir, failed)
    page = _PAGE + markdown(rows)
    reasons = [f"- {label}, seed {seed}: {why}\n" for label, seeds in failed.items() for seed, why in seeds.items()]
    if reasons:
        page += "\nFailed:\n\n" + "".join(reasons)
    if any(row.seeds for row in rows):
        page += "\n![Validation accuracy by epoch and by seed](sweep.png)\n"
        plot_summary(rows, run_folders(workdir), workdir / "sweep.png", "Sweep")
    write_json(workdir / "sweep.json", as_json(rows))
    write_text(workdir / "sweep.md", page)
    return rows
