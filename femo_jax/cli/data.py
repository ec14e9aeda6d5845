"""`femo data`: prepare and audit data sets, list their forms, download FER-2013."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from femo_jax.cli.arguments import Data, Flag, OptionalFile, OptionalFolder, OutputFile, check_outputs
from femo_jax.cli.console import STANDARD_OUTPUT, error_console, give_json, note, print_result, print_table, wrote
from femo_jax.cli.parsing import parse_subcommand
from femo_jax.data.audit import Audit
from femo_jax.data.ferplus import PACKAGED
from femo_jax.data.labelled_images import Columns, Splitting, parse_class_map
from femo_jax.data.prepare import OFFICIAL_COUNTS, OFFICIAL_NAMES
from femo_jax.data.reading import Limits, existing
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, DataError, FemoError
from femo_jax.files import printable

if TYPE_CHECKING:
    from femo_jax.data.known_datasets import KnownDataset, Layout

KAGGLE_DATASET = "msambare/fer2013"

_MOST_LINES = 20  # about files that were left out


Form = Literal["auto", "fer2013", "labelled", "rafdb", "affectnet", "ckplus", "jaffe", "kdef", "expw"]


@dataclass(frozen=True)
class Labelled:
    """Images of your own."""

    class_map: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS=NAME ...", help_behavior_hint="")] = ()
    """Names for classes: happiness=happy; contempt= drops the class. Several may have one name. Synonyms of emotions
    are mapped by themselves."""
    crop: Flag = False
    """Detect faces, and take the largest one of each image; without it, each image is a face crop."""
    strict: Flag = False
    """End with an error where an image cannot be read or shows no face; without it, such images are left out."""


def prepare(
    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")],
    data_dir: OptionalFolder = None,
    form: Form = "auto",
    ferplus: OptionalFile = None,
    labels: Literal["fer2013", "ferplus"] = "fer2013",
    overwrite: Flag = False,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    labelled: Annotated[Labelled, tyro.conf.arg(name="")] = Labelled(),
    splitting: Annotated[Splitting, tyro.conf.arg(name="")] = Splitting(),  # noqa: B008
    columns: Columns = Columns(),  # noqa: B008
) -> None:
    """Prepare FER-2013, a known data set, or labelled images of your own, for training.

    Example: femo data prepare fer2013.zip

    Example: femo data prepare fer2013.zip --labels ferplus

    Example: femo data prepare photos --class-map happiness=happy --crop

    Args:
      path: fer2013.csv, icml_face_data.csv, fer2013.tar.gz, or Kaggle's msambare/fer2013 as zip or folder; or images in
        CLASS/ or SPLIT/CLASS/, in a folder, zip or tar; or a csv with the columns path and label; or a data set that
        `femo data forms` lists.
      data_dir: Folder for the prepared data; by default in femo's cache ($FEMO_CACHE or ~/.cache/femo).
      form: What PATH holds; auto looks. `femo data forms` describes each.
      ferplus: FER+ votes to prepare with the images: fer2013new.csv or ferplus.csv; without FILE those that are part
        of femo.
      labels: Labels of FER-2013: its own seven classes, or the majority of FER+'s votes, with contempt as the eighth;
        images without a majority are left out.
      overwrite: Prepare again, and replace other data in --data-dir.
      limits: Limits on file sizes, against files that claim to be huge.
      labelled: Images of your own.
      splitting: The validation split of images that have none.
      columns: Columns of a csv of paths.
    """
    from femo_jax.data.forms import is_fer2013
    from femo_jax.data.known_datasets import find_layout

    path = existing(path)
    given = labelled != Labelled() or splitting != Splitting() or columns != Columns()
    known = find_layout(path, form, limits) if form not in ("fer2013", "labelled") else None
    if form == "auto" and known is None:
        form = "labelled" if given or not is_fer2013(path, limits) else "fer2013"
    by_votes = ferplus is not None or labels == "ferplus"
    if form == "fer2013":
        if given:
            raise ConfigError("--form is fer2013: --class-map, --crop, --group and the like are for images of your own")
        _prepare_fer2013(path, data_dir, ferplus, labels, overwrite, limits)
    else:
        if by_votes:
            option = "--labels ferplus" if ferplus is None else "--ferplus"
            what = known[0].title.partition(":")[0] if known else "images of your own"
            raise ConfigError(f"{option} is for FER-2013, and this is {what}")
        _prepare_labelled(path, data_dir, known, labelled, splitting, columns, overwrite, limits)


def _prepare_fer2013(
    path: Path, data_dir: Path | None, ferplus: Path | None, labels: str, overwrite: bool, limits: Limits
) -> None:
    from femo_jax.data.load import left_out_files
    from femo_jax.data.prepare import prepare as prepare_data

    with _progress() as on_progress:
        prepared = prepare_data(
            path, data_dir, ferplus=ferplus, labels=labels, overwrite=overwrite, limits=limits, on_progress=on_progress
        )
    if labels == "ferplus":
        _print_classes(prepared, "votes of FER+", "majority")
    _print_prepared(prepared, _left_out(left_out_files(prepared)), official=labels == "fer2013")


def _prepare_labelled(
    path: Path,
    data_dir: Path | None,
    known: "tuple[KnownDataset, Layout] | None",
    labelled: Labelled,
    splitting: Splitting,
    columns: Columns,
    overwrite: bool,
    limits: Limits,
) -> None:
    from femo_jax.data.prepare import prepare_labelled
    from femo_jax.live.config import DetectorConfig
    from femo_jax.live.detection import create_detector
    from femo_jax.live.face_crops import face_reader

    crop = labelled.crop
    if known is not None:
        dataset, layout = known
        title = dataset.title.partition(":")[0]
        if columns != Columns():
            raise ConfigError(f"--columns is for a csv of paths, and this is {title}. --form labelled reads it as one")
        if crop and layout.shows == "marked faces":
            raise ConfigError(f"--crop detects faces, and {title} marks them. Leave --crop out")
        crop = crop or layout.shows == "whole images"
        takes = "the largest face of each image is taken. " if crop else ""
        note(f"{path}: {title}; {takes}{layout.remark}".rstrip("; "))
    detector = create_detector(DetectorConfig()) if crop else None
    with _progress() as on_progress:
        prepared, left_out = prepare_labelled(
            path,
            face_reader(detector),
            data_dir,
            known=known,
            class_map=parse_class_map(labelled.class_map),
            splitting=splitting,
            columns=columns,
            strict=labelled.strict,
            options={"crop": crop},
            overwrite=overwrite,
            limits=limits,
            on_progress=on_progress,
        )
    _print_classes(prepared, "classes", "class in the data")
    for line in left_out[:_MOST_LINES]:
        note(f"left out: {line}")
    _print_prepared(prepared, f"; {len(left_out):,} {_plural(len(left_out), 'file')} left out" if left_out else "")


def _print_classes(prepared: Path, title: str, source: str) -> None:
    """Prints what became of each class of the source."""
    from femo_jax.data.load import mapped_classes

    table = Table(source, "class name", "images", title=title)
    table.columns[2].justify = "right"
    for each in mapped_classes(prepared):
        table.add_row(printable(each.label), each.name or "dropped", f"{each.images:,}")
    print_table(table)


def _print_prepared(prepared: Path, left_out: str, official: bool = False) -> None:
    """Prints the numbers of images, beside the official ones where these are FER-2013's own labels."""
    from femo_jax.data.load import class_names, split_counts

    counts = split_counts(prepared)
    print_table(_official_table(counts) if official else _counts_table(counts, class_names(prepared)))
    total = sum(int(split.sum()) for split in counts.values())
    print_result(f"Prepared: {prepared} ({total:,} {_plural(total, 'image')}{left_out})")


def forms() -> None:
    """List the forms of data that `femo data prepare` takes, each with its layout and an example.

    Example: femo data forms
    """
    from femo_jax.data.known_datasets import KNOWN_DATASETS

    print_result(_OWN_FORMS)
    for dataset in KNOWN_DATASETS:
        lines = ["", f"{dataset.form}: {dataset.title}"]
        for number, layout in enumerate(dataset.layouts):
            lines += ["  or"] * (number > 0) + [f"  {path}" for path in layout.paths]
            shows = {
                "face crops": "Images are face crops.",
                "marked faces": "Faces are cut out of the images as the labels mark them.",
                "whole images": "The largest face of each image is detected and cut out.",
            }[layout.shows]
            lines.append(f"    {shows} {layout.remark}".rstrip())
        print_result("\n".join([*lines, f"  Example: femo data prepare {dataset.example}"]))


_OWN_FORMS = """\
fer2013: FER-2013: seven classes, splits train, validation and test
  fer2013.csv, icml_face_data.csv
  or
  train/angry/Training_3908.jpg
  test/angry/PublicTest_1.jpg
    Images are face crops of 48x48 pixels. A csv or the folders may lie in a zip or tar.
  Example: femo data prepare fer2013.zip
  Example: femo data prepare fer2013.zip --labels ferplus    (FER+: eight classes with contempt)

labelled: images of your own: any classes
  CLASS/image.jpg
  or
  train/CLASS/image.jpg
  validation/CLASS/image.jpg
  or
  faces.csv with the columns path and label, and split if you like
    Images are face crops; with --crop, the largest face of each image is detected and cut out.
  Example: femo data prepare photos --class-map happiness=happy --group 'p(\\d+)'"""


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


SUBCOMMANDS = {"prepare": prepare, "forms": forms, "download": download, "audit": audit}


def main(argv: list[str]) -> int:
    """Run `femo data prepare`, `forms`, `download` or `audit`; return the exit code."""
    parse_subcommand(SUBCOMMANDS, "femo data", _with_packaged_votes(argv))
    return 0


def _with_packaged_votes(argv: Sequence[str]) -> list[str]:
    """Arguments in which `--ferplus` without a file has the word for the votes that are part of femo."""
    given = []
    for position, word in enumerate(argv, start=1):
        given.append(word)
        if word == "--ferplus" and (position == len(argv) or argv[position].startswith("-")):
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
    table = Table("class", title="images by split and class")
    for split in counts:
        table.add_column(split, justify="right")
    for index, name in enumerate(class_names):
        table.add_row(name, *(f"{column[index]:,}" for column in counts.values()))
    table.add_section()
    table.add_row("all", *(f"{sum(column):,}" for column in counts.values()))
    return table


def _official_table(counts: Mapping[str, np.ndarray]) -> Table:
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
