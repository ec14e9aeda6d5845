"""`femo data`: prepare, download and audit FER-2013."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from femo_jax.cli.arguments import Data, Flag, OptionalFile, OptionalFolder, OutputFile, check_outputs
from femo_jax.cli.console import STANDARD_OUTPUT, error_console, give_json, print_result, print_table, wrote
from femo_jax.cli.parsing import parse_subcommand
from femo_jax.data.audit import Audit
from femo_jax.data.ferplus import PACKAGED
from femo_jax.data.prepare import OFFICIAL_COUNTS, OFFICIAL_NAMES
from femo_jax.data.reading import Limits
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import DataError, FemoError

KAGGLE_DATASET = "msambare/fer2013"


def prepare(
    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")],
    data_dir: OptionalFolder = None,
    ferplus: OptionalFile = None,
    overwrite: Flag = False,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> None:
    """Prepare FER-2013 for training, and compare its counts by split and class with the official ones.

    Example: femo data prepare fer2013.zip

    Args:
      path: fer2013.csv, icml_face_data.csv, fer2013.tar.gz, or Kaggle's msambare/fer2013 as zip or folder.
      data_dir: Folder for the prepared data; by default in femo's cache ($FEMO_CACHE or ~/.cache/femo).
      ferplus: FER+ votes to prepare with the images: fer2013new.csv or ferplus.csv; without FILE those that are part
        of femo.
      overwrite: Prepare again, and replace other data in --data-dir.
      limits: Limits on file sizes, against files that claim to be huge.
    """
    from femo_jax.data.load import class_names, left_out_files, split_counts
    from femo_jax.data.prepare import prepare as prepare_data

    with _progress() as on_progress:
        prepared = prepare_data(
            path, data_dir, ferplus=ferplus, overwrite=overwrite, limits=limits, on_progress=on_progress
        )
    counts = split_counts(prepared)
    print_table(_counts_table(counts, class_names(prepared)))
    total = sum(int(split.sum()) for split in counts.values())
    print_result(f"Prepared: {prepared} ({total:,} {_plural(total, 'image')}{_left_out(left_out_files(prepared))})")


def download(output: OptionalFolder = None) -> None:
    """Download FER-2013 (msambare/fer2013) from Kaggle with kagglehub.

    Example: femo data download --output fer2013

    Args:
      output: Copy the data set to this folder, which must be new or empty; by default it stays in kagglehub's cache.
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
            f"{KAGGLE_DATASET}: the download failed ({error}). Check the connection, or download it in a browser"
            f" from https://www.kaggle.com/datasets/{KAGGLE_DATASET} and give its path."
        ) from error
    if output is not None:
        folder = _copy(folder, output)
    print_result(f"FER-2013: {folder}\nNext: femo data prepare {folder}")


def audit(path: Annotated[Data, tyro.conf.Positional], json: OutputFile = None) -> None:
    """Find images that occur more than once, identical images with different labels, and blank images.

    Example: femo data audit fer2013.zip --json audit.json

    Args:
      path: FER-2013 in any form, a prepared folder, or `drawn` for synthetic faces.
      json: Write the audit as JSON, with the names of all images concerned; - prints it in place of the table.
    """
    from femo_jax.data.audit import audit as audit_splits
    from femo_jax.data.load import available_splits, load_split

    check_outputs({"--json": json}, data=path)
    found = audit_splits({split: load_split(path, split) for split in available_splits(path)})
    if json != STANDARD_OUTPUT:
        print_table(_audit_table(found))
    give_json(json, found.as_json())
    wrote(json)


SUBCOMMANDS = {"prepare": prepare, "download": download, "audit": audit}


def main(argv: list[str]) -> int:
    """Run `femo data prepare`, `download` or `audit`; return the exit code."""
    parse_subcommand(SUBCOMMANDS, "femo data", _with_packaged_votes(argv))
    return 0


def _with_packaged_votes(argv: Sequence[str]) -> list[str]:
    """Arguments in which `--ferplus` without a file has the word for the votes that are part of femo."""
    given = []
    for word, following in zip(argv, [*argv[1:], "--"], strict=True):
        given.append(word)
        if word == "--ferplus" and following.startswith("-"):
            given.append(PACKAGED)
    return given


def _copy(folder: Path, output: Path) -> Path:
    beside = output.with_name(f".{output.name}.partial")
    try:
        shutil.copytree(folder, beside)
        return beside.replace(output)
    except OSError as error:
        raise DataError(f"{output}: could not be written ({error}). It is still in {folder}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _left_out(names: tuple[str, ...]) -> str:
    """What the last line adds about files that are no images."""
    if not names:
        return ""
    examples = ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])
    return f"; {len(names):,} other {_plural(len(names), 'file')} left out: {examples}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _counts_table(counts: Mapping[str, np.ndarray], class_names: Sequence[str]) -> Table:
    if tuple(class_names) != EMOTIONS:
        table = Table("class", title="images by split and class")
        for split in counts:
            table.add_column(split, justify="right")
        for index, name in enumerate(class_names):
            table.add_row(name, *(f"{column[index]:,}" for column in counts.values()))
        table.add_section()
        table.add_row("all", *(f"{sum(column):,}" for column in counts.values()))
        return table
    table = Table("class", title="images by split and class, beside the official numbers")
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
    splits = tuple(found.images)
    table = Table("", *(f"[bold]{split}" for split in splits), "all splits", title="audit: images equal in every pixel")
    for column in table.columns[1:]:
        column.justify = "right"

    def row(what: str, numbers: Iterable[int | None], together: str = "") -> None:
        table.add_row(what, *("-" if number is None else f"{number:,}" for number in numbers), together)

    row("images", found.images.values(), f"{sum(found.images.values()):,}")
    row("repeated within the split", map(found.repeated, splits), f"{found.distinct:,} distinct")
    for other in splits:
        row(f"also in {other}", (found.shared(split, other) if split != other else None for split in splits))
    conflicting = [image for group in found.conflicting for image in group]
    row(
        "identical, labels differ",
        (sum(image.split == split for image in conflicting) for split in splits),
        f"{len(conflicting):,} in {len(found.conflicting):,} {_plural(len(found.conflicting), 'group')}",
    )
    row("blank", (sum(image.split == split for image in found.blank) for split in splits), f"{len(found.blank):,}")
    return table


@contextmanager
def _progress() -> Iterator:
    """Yield a callback that draws one bar for reading and one for writing on stderr, and remove them at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=error_console(), redirect_stdout=False, transient=True) as progress:
        tasks = {}

        def on_progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)

        yield on_progress
