"""Finished runs side by side: `ROOT/<label>/seed<k>/` -> one row a label, with mean and deviation over its seeds."""

import dataclasses
import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from femo_jax.errors import CheckpointError, ConfigError
from femo_jax.evaluate.run_report import FLIP_FILE, REPORT_FILE, read_report
from femo_jax.models import create_model
from femo_jax.models.cost import Cost, model_cost
from femo_jax.train.config import differences
from femo_jax.train.workdir import CONFIG_FILE, METRICS_FILE, read_records, read_run_record


@dataclass(frozen=True)
class Row:
    """What the runs of one configuration came to; each list has one figure a finished seed, in the order of `seeds`.

    Shares are in 0..1 and of the validation split.
    """

    label: str
    parameters: int
    """Trainable numbers of the network."""
    multiply_adds: int
    """Of one image."""
    epochs: int
    """That were asked for."""
    seeds: list[int]
    """Of the finished runs."""
    minutes: list[float]
    """Spent on training and validation."""
    accuracy: list[float]
    """Of the best epoch, which was chosen on the very same images."""
    last_accuracy: list[float]
    """Of the last epoch."""
    flip_accuracy: list[float]
    """Of the best epoch, with flip TTA."""
    macro_f1: list[float]
    """Of the best epoch."""
    ece: list[float]
    """Expected calibration error of the best epoch."""
    failed: dict[int, str] = field(default_factory=dict)
    """Seeds that gave no result, with the reason."""


FIGURES = ("minutes", "accuracy", "last_accuracy", "flip_accuracy", "macro_f1", "ece")
"""The fields of Row that have one figure a seed."""


def mean(figures: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return statistics.fmean(figures) if figures else None


def deviation(figures: Sequence[float]) -> float | None:
    """The sample standard deviation (divided by n - 1); None of fewer than two."""
    return statistics.stdev(figures) if len(figures) > 1 else None


def run_folders(root: Path) -> dict[str, dict[int, Path]]:
    """The folders `root/<label>/seed<k>/` in which a run has begun, by label and seed."""
    found: dict[str, dict[int, Path]] = {}
    for path in root.glob(f"*/seed*/{CONFIG_FILE}"):
        seed = re.fullmatch(r"seed(\d+)", path.parent.name)
        if seed:
            found.setdefault(path.parent.parent.name, {})[int(seed[1])] = path.parent
    return {label: dict(sorted(found[label].items())) for label in sorted(found)}


def is_finished(run: Path) -> bool:
    """Whether a run has all its epochs, its report, and that with flip TTA.

    Raises:
      CheckpointError: a file of the run is damaged.
    """
    if not all((run / name).is_file() for name in (CONFIG_FILE, METRICS_FILE, REPORT_FILE, FLIP_FILE)):
        return False
    epochs = read_run_record(run)["config"]["epochs"]
    return any(r["epoch"] == epochs and r["split"] == "validation" for r in read_records(run / METRICS_FILE))


def read_rows(root: Path, failed: Mapping[str, Mapping[int, str]] | None = None) -> list[Row]:
    """One row a label that has a finished or failed run, the best mean accuracy first.

    Args:
      root: the folder of `<label>/seed<k>/`, each left by `femo train` with `flip.json` of `femo evaluate`.
      failed: why runs gave no result, by label and seed; a run that is neither finished nor in here is left out.

    Raises:
      CheckpointError: a file of a run is damaged.
      ConfigError: seeds of one label differ in more than the seed, or runs were validated on different images.
    """
    rows, validations = [], {}
    for label, runs in run_folders(root).items():
        finished = {seed: run for seed, run in runs.items() if is_finished(run)}
        reasons = dict((failed or {}).get(label, {}))
        if not finished and not reasons:
            continue
        records = {run: read_run_record(run) for run in (finished or runs).values()}
        first, record = next(iter(records.items()))
        for run, other in records.items():
            _check_same(first, _without_seed(record), run, _without_seed(other))
            validations[run] = {"validation": other["data"]["validation"]}
        figures = [_read_figures(run) for run in finished.values()]
        config = record["config"]
        cost = _cost(config["model"], json.dumps(config["model_options"]))
        lists = {name: [of_seed[name] for of_seed in figures] for name in FIGURES}
        rows.append(Row(label, *cost, config["epochs"], list(finished), **lists, failed=reasons))
    for run, images in validations.items():
        _check_same(next(iter(validations)), next(iter(validations.values())), run, images)
    return sorted(rows, key=lambda row: -(mean(row.accuracy) or 0.0))


def _without_seed(record: dict[str, Any]) -> dict[str, Any]:
    """The part of `config.json` that the runs of a label share; digests in `data` identify the teachers."""
    config = record["config"]
    return {"config": {key: config[key] for key in config if key not in ("seed", "teachers")}, "data": record["data"]}


def _check_same(run: Path, there: dict[str, Any], other: Path, here: dict[str, Any]) -> None:
    if found := differences(there, here):
        raise ConfigError(
            f"{other}: cannot stand in one table with {run}:\n  " + "\n  ".join(found) + "\nMove one of them elsewhere"
        )


def _read_figures(run: Path) -> dict[str, float]:
    try:
        report, flipped = (read_report(run / name) for name in (REPORT_FILE, FLIP_FILE))
        figures = {name: float(report[name]) for name in ("accuracy", "last_accuracy", "macro_f1", "ece")}
        flip_accuracy = float(flipped["accuracy"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{run}: {REPORT_FILE} or {FLIP_FILE} is not what femo wrote ({type(error).__name__}: {error}). Remove"
            " both and start the same command again"
        ) from error
    seconds = sum(record["seconds"] for record in read_records(run / METRICS_FILE))
    return figures | {"flip_accuracy": flip_accuracy, "minutes": seconds / 60}


@lru_cache
def _cost(model: str, options: str) -> Cost:
    return model_cost(create_model(model, **json.loads(options)))


def _percent(figures: Sequence[float]) -> str:
    return _spread([100 * figure for figure in figures], "{:.2f}", " %")


def _share(figures: Sequence[float]) -> str:
    return _spread(figures, "{:.3f}")


def _spread(figures: Sequence[float], number: str, unit: str = "") -> str:
    """`66.31 ± 0.21 %`; a dash where there is nothing."""
    middle, around = mean(figures), deviation(figures)
    if middle is None:
        return "-"
    return number.format(middle) + (f" ± {number.format(around)}" if around is not None else "") + unit


def _seeds(row: Row) -> str:
    return str(len(row.seeds)) + (f", {len(row.failed)} failed" if row.failed else "")


COLUMNS: dict[str, Callable[[Row], str]] = {
    "parameters": lambda row: f"{row.parameters:,}",
    "mult-adds": lambda row: f"{row.multiply_adds / 1e6:.1f} M",
    "epochs": lambda row: f"{row.epochs}",
    "minutes": lambda row: f"{mean(row.minutes):.1f}" if row.minutes else "-",
    "seeds": _seeds,
    "best epoch": lambda row: _percent(row.accuracy),
    "last epoch": lambda row: _percent(row.last_accuracy),
    "flip TTA": lambda row: _percent(row.flip_accuracy),
    "F1": lambda row: _share(row.macro_f1),
    "ECE": lambda row: _share(row.ece),
}
"""The cell of a row in a table, by the heading of the column."""


def markdown(rows: Sequence[Row], name: Callable[[Row], str] = lambda row: row.label) -> str:
    """The rows as a Markdown table, accuracy as mean ± sample standard deviation.

    Args:
      rows: of `read_rows`.
      name: what stands in the first column, for instance a link to the runs.
    """
    cells = [[name(row).replace("|", "\\|"), *(cell(row) for cell in COLUMNS.values())] for row in rows]
    return markdown_table(["label", *COLUMNS], cells)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table: a line for the headings and one for each row.

    Args:
      headings: of the columns.
      rows: the cells of each, as many as there are headings; a `|` in a cell is to be escaped.
      text_columns: so many columns hold words, from the left; those after them hold figures, set flush right.
    """
    lines = [headings, ["---"] * text_columns + ["---:"] * (len(headings) - text_columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as JSON values: each figure with `mean`, `sd` (None of one seed) and the list `by_seed`."""
    return [
        dataclasses.asdict(row)
        | {
            name: {"mean": mean(of), "sd": deviation(of), "by_seed": of}
            for name in FIGURES
            if (of := getattr(row, name)) is not None
        }
        for row in rows
    ]
