"""From any form of FER-2013, or labelled images, to a data set in the format of TensorFlow Datasets (TFDS)."""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.data.archive import files_of, member_path, open_archive, read_image_file
from femo_jax.data.fer2013_content import FER2013, MAJORITY_CONFIG, Content, fer2013_info, read_fer2013
from femo_jax.data.ferplus import PACKAGED, ferplus_file
from femo_jax.data.folder_form import has_image_suffix
from femo_jax.data.identity import RECORD_FILE, Record, digest_of_file, fingerprint, read_record, write_record
from femo_jax.data.known_datasets import KnownDataset, Layout
from femo_jax.data.labelled_images import (
    Columns,
    Splitting,
    assign_splits,
    is_listed,
    list_class_folders,
    map_classes,
    read_path_table,
)
from femo_jax.data.reading import Limits, existing
from femo_jax.data.records import Example, OnProgress
from femo_jax.data.splits import SPLITS
from femo_jax.data.tfds_folder import DESCRIPTIONS, VERSION, DatasetInfo, write_folder
from femo_jax.errors import DataError, FemoError
from femo_jax.files import cache_folder
from femo_jax.scratch import remove_abandoned, scratch_folder

OFFICIAL_NAMES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
"""FER-2013's own names of its splits."""

OFFICIAL_COUNTS: dict[str, tuple[int, ...]] = {
    "train": (3995, 436, 4097, 7215, 4965, 4830, 3171),
    "validation": (467, 56, 496, 895, 607, 653, 415),
    "test": (491, 55, 528, 879, 626, 594, 416),
}
"""Images of each class in the official splits, in the order of `femo_jax.EMOTIONS`."""

_LABELLED = "labelled_faces"
"""TFDS' name of the data sets that are not FER-2013."""
_SCRATCH = ".preparing-"


def prepare(
    source: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    ferplus: str | os.PathLike[str] | None = None,
    labels: str = "fer2013",
    overwrite: bool = False,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Writes FER-2013 in the format of TFDS, unless that was done before from the same content.

    Warns (UserWarning) when an official split is missing from the source, or has no votes where these are the labels.

    Args:
      source: FER-2013 in any form, see `femo_jax.data.forms`.
      data_dir: Where TFDS keeps data sets; by default a folder of its own for each source in femo's cache,
        `$FEMO_CACHE` or `~/.cache/femo`. It holds one source with one kind of labels, with and without votes.
      ferplus: Votes of FER+, to be written with the images: a file, or `packaged` for those that are part of femo.
      labels: `fer2013`, or `ferplus` for the majority of FER+'s votes, with eight classes
        (`femo_jax.data.ferplus.CLASSES`); images without a majority are left out. The packaged votes are taken where
        `ferplus` is None.
      overwrite: Prepare again, also in place of what was prepared from another source.
      limits: Bounds on what is read; the default ones when None.
      on_progress: Called with the stage (`read` or `write`), images done, images in all.

    Returns:
      The data_dir, for `load_split`.

    Raises:
      DataError: The source is damaged or no FER-2013, `data_dir` holds what was made from another source, or
        the disk is full. What was prepared before is kept, and nothing half-written stays behind.
    """
    by_majority = labels == "ferplus"
    ferplus = ferplus or (PACKAGED if by_majority else None)
    origin = Record(
        fingerprint(source),
        fingerprint(ferplus_file(ferplus)) if ferplus else None,
        options={"labels": labels} if by_majority else {},
    )
    config = MAJORITY_CONFIG if by_majority else "ferplus" if ferplus else "default"
    read = partial(read_fer2013, source, config, ferplus, limits, on_progress)
    root, written = _write(fer2013_info(config), read, existing(source), origin, data_dir, overwrite, on_progress)
    for split, official_name in OFFICIAL_NAMES.items():
        if written is not None and split not in written.splits:
            missing = f"{official_name} images" + (" with votes" if by_majority else "")
            warnings.warn(f"{source}: holds no {missing}; split {split!r} is left out.", stacklevel=2)
    return root


def prepare_labelled(
    source: str | os.PathLike[str],
    to_face: Callable[..., np.ndarray | None],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    known: tuple[KnownDataset, Layout] | None = None,
    class_map: Mapping[str, str] | None = None,
    splitting: Splitting | None = None,
    columns: Columns | None = None,
    strict: bool = False,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Path, list[str]]:
    """Writes labelled images of one's own in the format of TFDS, unless that was done before from the same content.

    Args:
      source: Images in `<class>/` or `<split>/<class>/`, in a folder, zip or tar; or a csv of paths; or a known data
        set.
      to_face: Makes a face crop `[48, 48] uint8` of the content and name of an image file, and of the box of the face
        where the data set has one; None where the image shows no face. It raises FemoError for what is no image.
      data_dir: As `prepare`.
      known: The data set and its layout, as `femo_jax.data.known_datasets.find_layout` gives them.
      class_map: Names of classes, see `femo_jax.data.labelled_images.map_classes`.
      splitting: How the validation split is chosen where the data have none.
      columns: Of a csv of paths.
      strict: Unreadable images, and images without a face, are an error; they are left out otherwise.
      options: By which `to_face` was made, as JSON values: other ones ask for `overwrite`.
      overwrite: As `prepare`.
      limits: As `prepare`.
      on_progress: As `prepare`.

    Returns:
      The data_dir, for `load_split`; and what was left out, a line for each file, where the data were prepared now.

    Raises:
      DataError: The source is damaged or has no labelled images, its classes cannot be learned, or as `prepare`.
      ConfigError: The class map does not fit the data.
    """
    splitting, columns, limits = splitting or Splitting(), columns or Columns(), limits or Limits()
    path = existing(source)
    with open_archive(path, limits) as archive:
        in_folders = known is not None or any("/" in name and has_image_suffix(name) for name in archive.names)
        table = None if in_folders else is_listed(archive)
        if known is not None:
            files, left_out = known[1].read(archive)
        elif table:
            files, left_out = read_path_table(archive, table, columns), []
        else:
            files, others = list_class_folders(archive)
            left_out = [f"{name}: no image" for name in others]
    beside = [each.file for each in files] if table and path.is_file() else []
    no_classes = set(known[0].dropped) & {each.label for each in files} if known else ()
    named, mapped, class_names = map_classes(files, {**dict.fromkeys(no_classes, ""), **(class_map or {})})
    placed = assign_splits(named, splitting)
    chosen = {"class_map": dict(class_map or {}), **asdict(splitting), "columns": asdict(columns), **(options or {})}
    if known is not None:
        chosen["form"] = known[0].form
    if not splitting.test_only:
        del chosen["test_only"]  # data that were prepared before the option was there stay what they are
    if beside:
        files_of(path.parent, beside)  # names the file that is missing, before anything else is read
    origin = Record(
        fingerprint(path, beside),
        options=json.loads(json.dumps(chosen)),
        classes=tuple((each.label, each.name, each.images) for each in mapped),
    )

    def read() -> Content:
        splits: dict[str, list[Example]] = {split: [] for split in SPLITS}
        opened = open_archive(path, limits) if not beside else nullcontext(files_of(path.parent, beside, limits))
        with opened as archive:
            folder = table.name.rpartition("/")[0] if table and not beside else ""
            for done, each in enumerate(placed, start=1):
                file = f"{folder}/{each.file}" if folder else each.file
                where = member_path(archive, file)
                try:
                    content, problem = read_image_file(archive, file), f"{where}: no face was found."
                    face = to_face(content, where) if each.box is None else to_face(content, where, each.box)
                except FemoError as error:
                    face, problem = None, str(error)
                except KeyError:
                    face, problem = None, f"{where}: no such file in the archive."
                if face is not None:
                    example = Example(face, class_names.index(each.label), each.name)
                    splits[each.split or "train"].append(example)
                elif strict:
                    raise DataError(f"{problem} Without --strict it is left out.")
                else:
                    left_out.append(problem)
                if on_progress:
                    on_progress("read", done, len(placed))
        _check_read(path, splits, class_names, left_out, ("test",) if splitting.test_only else ("train", "validation"))
        return Content({split: images for split, images in splits.items() if images}, left_out)

    info = DatasetInfo(_LABELLED, class_names, __name__, "Face crops with class names of their own.")
    root, written = _write(info, read, path, origin, data_dir, overwrite, on_progress)
    return root, left_out if written is not None else []


def _check_read(
    source: Path,
    splits: Mapping[str, Sequence[Example]],
    class_names: Sequence[str],
    left_out: Sequence[str],
    needed: Sequence[str],
) -> None:
    """Refuses data of which so much could not be read that they are others than was asked for."""
    for split in needed:
        present = {class_names[each.label] for each in splits[split]}
        missing = [name for name in class_names if name not in present] if split == "train" else []
        if missing or not present:
            what = f"class {missing[0]!r} has no" if missing else "there is no"
            first = f" First of {len(left_out):,} files left out: {left_out[0]}" if left_out else ""
            raise DataError(f"{source}: {what} usable image in split {split}.{first}")


def _write(
    info: DatasetInfo,
    read: Callable[[], Content],
    source: Path,
    origin: Record,
    data_dir: str | os.PathLike[str] | None,
    overwrite: bool,
    on_progress: OnProgress | None,
) -> tuple[Path, Content | None]:
    """Writes a data set into its place; returns the data_dir, and what was written where it was not there already."""
    root = Path(data_dir).expanduser() if data_dir else _place_in_cache(origin)
    _check_place(root, source)
    target = root / info.name / info.config / VERSION
    places = root if data_dir else cache_folder()
    remove_abandoned((*places.glob(f"{_SCRATCH}*"), *places.glob(f"*/{_SCRATCH}*")))
    others = [folder for folder in prepared_folders(root) if folder != target]
    if not overwrite:
        for folder in others:
            _check_origin(folder, replace(origin, ferplus=None), votes=False)
        if target.exists():
            _check_origin(target, origin)
            return root, None
    foreign = [folder for folder in others if info.name == _LABELLED or not _has_source(folder, origin)]
    with _scratch_folder(root) as scratch:
        content = read()
        with _reporting_full_disk(root):
            written = write_folder(scratch, info, content.splits, on_progress)
            _write_record(written, origin, content)
            replaced = [*foreign, target] if target.exists() else foreign
            _put_in_place(written, target, origin, replaced, scratch)
    return root, content


def _place_in_cache(origin: Record) -> Path:
    """The data_dir of a source in femo's cache; FER-2013 under its own name keeps FER-2013's labels."""
    labels = origin.options.get("labels")
    return cache_folder() / f"{origin.source['digest'][:16]}{f'-{labels}-labels' if labels else ''}"


def prepared_labelled(source: Path) -> list[Path]:
    """The folder in femo's cache in which labelled images were prepared; empty where they were not."""
    root = cache_folder() / fingerprint(source)["digest"][:16]
    return [folder for folder in prepared_folders(root) if folder.parent.parent.name == _LABELLED]


def prepared_folders(root: Path) -> list[Path]:
    """The folders of TFDS' records in a data_dir, the one with votes first."""
    datasets = (FER2013, _LABELLED)
    files = [
        path
        for name in (*DESCRIPTIONS, RECORD_FILE)
        for dataset in datasets
        for path in root.glob(f"{dataset}/*/*/{name}")
    ]
    return sorted({path.parent for path in files}, reverse=True)


def _check_place(root: Path, source: Path) -> None:
    """Refuses data_dirs that cannot work before anything is read."""
    if source.is_dir() and source.resolve() in (root.resolve(), *root.resolve().parents):
        raise DataError(f"{root}: lies in the source itself, {source}. Choose a --data-dir outside of it.")


def _has_source(prepared: Path, origin: Record) -> bool:
    """Whether a folder was made from the same images with the same options, whatever the votes.

    Not where its record is damaged.
    """
    try:
        made_from = read_record(prepared)
    except DataError:
        return False
    return made_from is not None and replace(made_from, ferplus=origin.ferplus).has_origin(origin)


def _check_origin(prepared: Path, origin: Record, votes: bool = True) -> None:
    made_from = read_record(prepared)
    if made_from and (made_from if votes else replace(made_from, ferplus=None)).has_origin(origin):
        return
    there = made_from.source["path"] if made_from else "a source that is not recorded"
    if made_from and made_from.source["path"] == origin.source["path"]:
        if made_from.options != origin.options:
            there += " with other options"
        elif made_from.source == origin.source:
            there += " with other FER+ votes"
        elif not made_from.files:
            there += " by a femo that did not record its content,"
        else:
            there += ", which has changed since,"
    raise DataError(
        f"{prepared}: was prepared from {there} and not from {origin.source['path']}."
        " Choose another --data-dir, or replace it with --overwrite."
    )


@contextmanager
def _scratch_folder(root: Path) -> Iterator[Path]:
    """A temporary folder inside `root`; leaves no `root` behind on failure."""
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            scratch = stack.enter_context(scratch_folder(root, _SCRATCH))
        except OSError as error:
            raise DataError(f"{root}: cannot be written ({error.strerror}). Choose another --data-dir.") from error
        try:
            yield scratch
        except BaseException:
            stack.close()
            for folder in made:
                with suppress(OSError):  # not empty: somebody else has written there meanwhile
                    folder.rmdir()
            raise


@contextmanager
def _reporting_full_disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{root}: the data set could not be written ({error.strerror or error}). Make room, or choose another"
            " --data-dir."
        ) from error


def _write_record(folder: Path, origin: Record, content: Content) -> None:
    """Writes the record of a data set into its folder."""
    record = replace(
        origin,
        files={path.name: digest_of_file(path) for path in sorted(folder.iterdir())},
        images={split: len(examples) for split, examples in content.splits.items()},
        left_out=tuple(content.left_out),
        classes=origin.classes or tuple(map(tuple, content.classes)),
    )
    write_record(folder, record)


def _put_in_place(built: Path, target: Path, origin: Record, replaced: Iterable[Path], scratch: Path) -> None:
    """Renames `built` to `target`, once what it replaces is moved into `scratch`; moves that back where this fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(built.parent.parent / ".config", target.parent.parent / ".config", dirs_exist_ok=True)
    aside: list[tuple[Path, Path]] = []
    try:
        for folder in replaced:
            aside.append((folder, scratch / f"replaced-{len(aside)}"))
            folder.rename(aside[-1][1])
        built.rename(target)
    except OSError:
        for folder, place in aside:
            if place.exists():
                place.rename(folder)
        # Another process, of the same distributed run perhaps, may have been quicker.
        there = None if aside else read_record(target)
        if there is None or not there.has_origin(origin):
            raise
    for folder, _ in aside:
        with suppress(OSError):  # not empty: it holds another version, or the new data set
            folder.parent.rmdir()
