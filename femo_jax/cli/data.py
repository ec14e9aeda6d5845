"""`femo data`: prepare, download and audit FER-2013."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from femo_jax.data.audit import Audit
from femo_jax.data.audit import audit as audit_splits
from femo_jax.data.prepare import OFFICIAL_COUNTS, OFFICIAL_NAMES, available_splits, load_split, split_counts
from femo_jax.data.prepare import prepare as prepare_data
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError, FemoError
from femo_jax.files import write_json

KAGGLE_DATASET = "msambare/fer2013"


def prepare(
    path: tyro.conf.Positional[Path],
    data_dir: Path | None = None,
    ferplus: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Prepares FER-2013 for training and prints its counts by split and class beside the official ones.

    Args:
      path: fer2013.csv, icml_face_data.csv, fer2013.tar.gz, the zip of Kaggle's msambare/fer2013 or its folder.
      data_dir: Where to keep the prepared data; by default femo's cache, $FEMO_CACHE or ~/.cache/femo.
      ferplus: The votes of FER+, fer2013new.csv or ferplus.csv, to be prepared with the pictures.
      overwrite: Prepare anew, also in place of other data in data_dir.
    """
    with _progress() as on_progress:
        prepared = prepare_data(path, data_dir, ferplus=ferplus, overwrite=overwrite, on_progress=on_progress)
    Console().print(_counts_table(split_counts(prepared)))
    print(f"Prepared: {prepared}")


def download(output: Path | None = None) -> None:
    """Downloads FER-2013 from Kaggle (msambare/fer2013) through kagglehub, which keeps it in its cache.

    Args:
      output: Copy it into this folder, which must be new or empty.
    """
    try:
        import kagglehub
    except ModuleNotFoundError as error:
        raise FemoError("kagglehub is not installed: downloading needs `pip install 'femo-jax[train]'`") from error
    if output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output}: exists and is not an empty folder. Choose another --output.")
    try:
        folder = Path(kagglehub.dataset_download(KAGGLE_DATASET))
    except Exception as error:  # kagglehub lets through whatever its transport raises
        raise DataError(
            f"{KAGGLE_DATASET}: Kaggle did not give it ({error}). Check the connection, or download it in a browser"
            f" from https://www.kaggle.com/datasets/{KAGGLE_DATASET} and give its path."
        ) from error
    if output is not None:
        folder = _copy(folder, output)
    print(f"FER-2013: {folder}\nNext: femo data prepare {folder}")


def audit(path: tyro.conf.Positional[str], json: Path | None = None) -> None:
    """Finds pictures that occur more than once, identical pictures under different labels, and blank pictures.

    Args:
      path: FER-2013 in any form, a prepared folder, or `drawn` for drawn stand-in faces.
      json: Write the audit here as json, with the names of all pictures concerned.
    """
    found = audit_splits({split: load_split(path, split) for split in available_splits(path)})
    Console().print(_audit_table(found))
    if json is not None:
        write_json(json, found.as_json())
        print(f"Written: {json}")


SUBCOMMANDS = {"prepare": prepare, "download": download, "audit": audit}


def main(argv: list[str]) -> int:
    """Runs `femo data prepare`, `download` or `audit`; returns the exit code."""
    tyro.extras.subcommand_cli_from_dict(SUBCOMMANDS, prog="femo data", args=argv)
    return 0


def _copy(folder: Path, output: Path) -> Path:
    beside = output.with_name(f".{output.name}.partial")
    try:
        shutil.copytree(folder, beside)
        return beside.replace(output)
    except OSError as error:
        raise DataError(f"{output}: could not be written ({error}). It is still in {folder}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _counts_table(counts: Mapping[str, np.ndarray]) -> Table:
    table = Table("class", title="pictures by split and class, beside the official numbers")
    for split in OFFICIAL_COUNTS:
        table.add_column(split, justify="right")
        table.add_column(OFFICIAL_NAMES[split], justify="right", style="dim")
    columns = [column for split, official in OFFICIAL_COUNTS.items() for column in (counts.get(split), official)]
    for index, label in enumerate(EMOTIONS):
        table.add_row(label, *("-" if column is None else f"{column[index]:,}" for column in columns))
    table.add_section()
    table.add_row("all", *("-" if column is None else f"{sum(column):,}" for column in columns))
    return table


def _audit_table(found: Audit) -> Table:
    splits = tuple(found.pictures)
    table = Table("", *(f"[bold]{split}" for split in splits), "together", title="audit: pictures equal in every pixel")
    for column in table.columns[1:]:
        column.justify = "right"

    def row(what: str, numbers: Iterable[int | None], together: str = "") -> None:
        table.add_row(what, *("-" if number is None else f"{number:,}" for number in numbers), together)

    row("pictures", found.pictures.values(), f"{sum(found.pictures.values()):,}")
    row("repeated within the split", map(found.repeated, splits), f"{found.distinct:,} distinct")
    for other in splits:
        row(f"also in {other}", (found.shared(split, other) if split != other else None for split in splits))
    conflicting = [picture for group in found.conflicting for picture in group]
    row(
        "identical, labels differ",
        (sum(picture.split == split for picture in conflicting) for split in splits),
        f"{len(conflicting):,} in {len(found.conflicting):,} groups",
    )
    row("blank", (sum(picture.split == split for picture in found.blank) for split in splits), f"{len(found.blank):,}")
    return table


@contextmanager
def _progress() -> Iterator:
    """Yields a callback that draws one bar for reading and one for writing, on stderr; gone when done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, transient=True) as progress:
        tasks = {}

        def on_progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)

        yield on_progress
