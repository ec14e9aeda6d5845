"""From any form of FER-2013 to a data set that TensorFlow Datasets (TFDS) writes once and reads from then on."""

import io
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from femo_jax.data.ferplus import ferplus_file
from femo_jax.data.identity import RECORD_FILE, Record, digest_of_file, fingerprint, read_record, write_record
from femo_jax.data.reading import Limits, existing
from femo_jax.errors import DataError
from femo_jax.files import cache_folder
from femo_jax.scratch import remove_abandoned, scratch_folder

if TYPE_CHECKING:
    from femo_jax.data.fer2013.fer2013_dataset_builder import OnProgress

OFFICIAL_NAMES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
"""FER-2013's own names of its splits."""

OFFICIAL_COUNTS: dict[str, tuple[int, ...]] = {
    "train": (3995, 436, 4097, 7215, 4965, 4830, 3171),
    "validation": (467, 56, 496, 895, 607, 653, 415),
    "test": (491, 55, 528, 879, 626, 594, 416),
}
"""Images of each class in the official splits, in the order of `femo_jax.EMOTIONS`."""

_DATASET = "fer2013"
_DESCRIPTIONS = ("dataset_info.json", "features.json", RECORD_FILE)
_SCRATCH = ".preparing-"


def prepare(
    source: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    ferplus: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    limits: Limits | None = None,
    on_progress: "OnProgress | None" = None,
) -> Path:
    """Writes FER-2013 as a TFDS data set, unless that was done before from the same content.

    Warns (UserWarning) when an official split is missing from the source.

    Args:
      source: FER-2013 in any form, see `femo_jax.data.forms`.
      data_dir: Where TFDS keeps data sets; by default a folder of its own for each source in femo's cache,
        `$FEMO_CACHE` or `~/.cache/femo`. It holds one source, with and without votes.
      ferplus: Votes of FER+, to be written with the images: a file, or `packaged` for those that are part of femo.
      overwrite: Prepare again, also in place of what was prepared from another source.
      limits: Bounds on what is read; the default ones when None.
      on_progress: Called with the stage (`read` or `write`), images done, images in all.

    Returns:
      The data_dir, for `load_split`.

    Raises:
      DataError: The source is damaged or no FER-2013, `data_dir` holds what was made from another source, or
        the disk is full. What was prepared before is kept, and nothing half-written stays behind.
    """
    origin = Record(fingerprint(source), fingerprint(ferplus_file(ferplus)) if ferplus else None)
    root = Path(data_dir).expanduser() if data_dir else cache_folder() / origin.source["digest"][:16]
    _check_place(root, existing(source))
    # TensorFlow takes seconds to import, and it is needed from here on alone.
    from femo_jax.data.fer2013.fer2013_dataset_builder import Fer2013

    config = "ferplus" if ferplus else "default"
    target = root / _DATASET / config / str(Fer2013.VERSION)
    places = root if data_dir else cache_folder()
    remove_abandoned((*places.glob(f"{_SCRATCH}*"), *places.glob(f"*/{_SCRATCH}*")))
    others = [folder for folder in prepared_folders(root) if folder != target]
    if not overwrite:
        for folder in others:
            _check_origin(folder, replace(origin, ferplus=None), votes=False)
        if target.exists():
            _check_origin(target, origin)
            return root
    foreign = [folder for folder in others if not _has_source(folder, origin)]
    with _scratch_folder(root) as scratch, _reporting_full_disk(root):
        builder = Fer2013(
            data_dir=scratch,
            config=config,
            source=source,
            ferplus=ferplus,
            limits=limits,
            on_progress=on_progress,
        )
        _build(builder, origin)
        replaced = [*foreign, target] if target.exists() else foreign
        _put_in_place(Path(builder.data_dir), target, origin, replaced, scratch)
    for split, official_name in OFFICIAL_NAMES.items():
        if split not in builder.info.splits:
            warnings.warn(f"{source}: holds no {official_name} images; split {split!r} is left out.", stacklevel=2)
    return root


def prepared_folders(root: Path) -> list[Path]:
    """The folders of TFDS' records in a data_dir, the one with votes first."""
    files = [path for name in _DESCRIPTIONS for path in root.glob(f"{_DATASET}/*/*/{name}")]
    return sorted({path.parent for path in files}, reverse=True)


def _check_place(root: Path, source: Path) -> None:
    """Refuses data_dirs that cannot work before anything is read."""
    try:
        os.fspath(root).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{root}: TensorFlow cannot write where the path is not UTF-8. Choose another --data-dir."
        ) from error
    if source.is_dir() and source.resolve() in (root.resolve(), *root.resolve().parents):
        raise DataError(f"{root}: lies in the source itself, {source}. Choose a --data-dir outside of it.")


def _has_source(prepared: Path, origin: Record) -> bool:
    """Whether a folder was made from the same images, whatever the votes; not where its record is damaged."""
    try:
        made_from = read_record(prepared)
    except DataError:
        return False
    return made_from is not None and made_from.source["digest"] == origin.source["digest"]


def _check_origin(prepared: Path, origin: Record, votes: bool = True) -> None:
    made_from = read_record(prepared)
    if made_from and (made_from if votes else replace(made_from, ferplus=None)).has_origin(origin):
        return
    there = made_from.source["path"] if made_from else "a source that is not recorded"
    if made_from and made_from.source["path"] == origin.source["path"]:
        if made_from.source == origin.source:
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
    from femo_jax.data.tf import tf, tf_message

    try:
        yield
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        # TFDS raises TensorFlow's errors again as RuntimeError; other ones are not about the disk.
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, tf.errors.OpError):
            raise
        raise DataError(
            f"{root}: the data set could not be written ({tf_message(error)}). Make room, or choose another --data-dir."
        ) from error


def _build(builder: Any, origin: Record) -> None:
    """Writes the data set and its record into the builder's folder."""
    from femo_jax.data.tfds import tfds

    # TFDS prints what it would download, which is nothing.
    with redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            download_dir=builder.data_dir_root / "downloads",
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            file_format="tfrecord",
        )
    folder = Path(builder.data_dir)
    record = replace(
        origin,
        files={path.name: digest_of_file(path) for path in sorted(folder.iterdir())},
        images={split: info.num_examples for split, info in builder.info.splits.items()},
        left_out=tuple(builder.left_out),
    )
    write_record(folder, record)


def _put_in_place(built: Path, target: Path, origin: Record, replaced: Iterable[Path], scratch: Path) -> None:
    """Renames `built` to `target`, once what it replaces is moved into `scratch`; moves that back where this fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # TFDS keeps the name of its default config there, for readers without the builder's code.
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
