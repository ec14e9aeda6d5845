"""From any form of FER-2013 to splits in memory, by way of a data set that TFDS writes once and reads ever after."""

import io
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from femo_jax.data.ferplus import VOTES
from femo_jax.data.origin import fingerprint
from femo_jax.data.splits import SPLITS, Split
from femo_jax.emotions import NUM_EMOTIONS
from femo_jax.errors import DataError
from femo_jax.files import cache_folder, write_json

if TYPE_CHECKING:
    from femo_jax.data.fer2013.fer2013_dataset_builder import OnProgress

DRAWN = "drawn"
"""The word that stands for drawn faces wherever a path of data is expected."""

OFFICIAL_NAMES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
"""FER-2013's own names of its splits."""

OFFICIAL_COUNTS: dict[str, tuple[int, ...]] = {
    "train": (3995, 436, 4097, 7215, 4965, 4830, 3171),
    "validation": (467, 56, 496, 895, 607, 653, 415),
    "test": (491, 55, 528, 879, 626, 594, 416),
}
"""Pictures of each class in the official splits, in the order of `femo_jax.EMOTIONS`."""

_DATASET = "fer2013"
_ORIGIN_FILE = "source.json"


def prepare(
    source: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    ferplus: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: "OnProgress | None" = None,
) -> Path:
    """Writes FER-2013 as a TFDS data set, unless that was done before from the same files.

    Warns (UserWarning) when an official split is missing from the source.

    Args:
      source: FER-2013 in any form, see `femo_jax.data.forms`.
      data_dir: where TFDS keeps data sets; by default a folder of its own for each source in femo's cache,
        `$FEMO_CACHE` or `~/.cache/femo`.
      ferplus: the votes of FER+, to be written with the pictures.
      overwrite: writes anew, also in place of what was prepared from another source.
      on_progress: called with what is being done (`read` or `write`), pictures done, pictures in all.

    Returns:
      The data_dir, for `load_split`.

    Raises:
      DataError: the source is damaged or no FER-2013, `data_dir` holds what was made from another source, or
        the disk is full. What was prepared before is kept, and nothing half-written stays behind.
    """
    origin = {"source": fingerprint(source), "ferplus": fingerprint(ferplus) if ferplus else None}
    root = Path(data_dir).expanduser() if data_dir else cache_folder() / origin["source"]["digest"][:16]
    # TensorFlow takes seconds to import, and it is needed from here on alone.
    from femo_jax.data.fer2013.fer2013_dataset_builder import Fer2013

    config = "ferplus" if ferplus else "default"
    target = root / _DATASET / config / str(Fer2013.VERSION)
    replaces = target.exists()
    if replaces and not overwrite:
        _check_origin(target, origin)
        return root
    with _scratch_folder(root) as scratch, _naming_full_disk(root):
        builder = Fer2013(data_dir=scratch, config=config, source=source, ferplus=ferplus, on_progress=on_progress)
        _build(builder, origin)
        _put_in_place(Path(builder.data_dir), target, origin, scratch / "replaced" if replaces else None)
    for split, official_name in OFFICIAL_NAMES.items():
        if split not in builder.info.splits:
            warnings.warn(f"{source}: holds no {official_name} pictures; split {split!r} is left out.", stacklevel=2)
    return root


def load_split(data: str | os.PathLike[str], split: str) -> Split:
    """Loads a split of FER-2013 into memory, decoded, in an order that is the same for every run.

    Args:
      data: FER-2013 in any form (prepared in femo's cache on first use), a data_dir that `prepare` has filled,
        or the word `drawn` for drawn faces. Of a data_dir with and without the votes of FER+, with.
      split: `train`, `validation` (PublicTest) or `test` (PrivateTest).

    Raises:
      DataError: as `prepare`; or there is no such split.
    """
    if split not in SPLITS:
        raise DataError(f"split {split!r}: expected one of {', '.join(SPLITS)}.")
    if str(data) == DRAWN:
        from femo_jax.data.drawn import drawn_split

        return drawn_split(split)
    builder = _open(data)
    if split not in builder.info.splits:
        raise DataError(
            f"{data}: has no split {split!r} ({OFFICIAL_NAMES[split]}), only {', '.join(builder.info.splits)}."
        )
    return _read(builder, split)


def available_splits(data: str | os.PathLike[str]) -> tuple[str, ...]:
    """The splits that `load_split` can give of these data: of the official three, PrivateTest is often missing.

    Raises:
      DataError: as `prepare`.
    """
    if str(data) == DRAWN:
        return SPLITS
    builder = _open(data)
    return tuple(split for split in SPLITS if split in builder.info.splits)


def split_counts(data: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Counts the pictures of each class, `[7] int64`, in each split that the data have.

    Raises:
      DataError: as `prepare`.
    """
    labels = {split: load_split(data, split).labels for split in available_splits(data)}
    return {split: np.bincount(labels[split], minlength=NUM_EMOTIONS) for split in labels}


def _check_origin(prepared: Path, origin: dict[str, Any]) -> None:
    made_from = _read_origin(prepared)
    if made_from == origin:
        return
    there = made_from["source"]["path"] if made_from else "a source that is not recorded"
    if made_from and made_from["source"]["path"] == origin["source"]["path"]:
        there += ", which has changed since," if made_from["source"] != origin["source"] else " with other FER+ votes"
    raise DataError(
        f"{prepared}: was prepared from {there} and not from {origin['source']['path']}."
        " Choose another --data-dir, or replace it with --overwrite."
    )


def _read_origin(prepared: Path) -> dict[str, Any] | None:
    try:
        return json.loads((prepared / _ORIGIN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextmanager
def _scratch_folder(root: Path) -> Iterator[Path]:
    """A temporary folder inside `root`, so that renaming out of it is atomic; leaves no `root` behind on failure."""
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".preparing-", dir=root))
    except OSError as error:
        raise DataError(f"{root}: cannot be written ({error.strerror}). Choose another --data-dir.") from error
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # not empty: somebody else has written there meanwhile
                folder.rmdir()
        raise
    shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _naming_full_disk(root: Path) -> Iterator[None]:
    from femo_jax.data.tf import tf

    try:
        yield
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        # TFDS raises TensorFlow's errors anew as RuntimeError; other ones are not about the disk.
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, tf.errors.OpError):
            raise
        raise DataError(
            f"{root}: the data set could not be written ({error}). Make room, or choose another --data-dir."
        ) from error


def _build(builder: Any, origin: dict[str, Any]) -> None:
    from femo_jax.data.tfds import tfds

    # TFDS prints what it would download, which is nothing.
    with redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            download_dir=builder.data_dir_root / "downloads",
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            file_format="tfrecord",
        )
    write_json(Path(builder.data_dir) / _ORIGIN_FILE, origin)


def _put_in_place(built: Path, target: Path, origin: dict[str, Any], aside: Path | None) -> None:
    """Renames `built` to `target`, which is moved `aside` first, or is left alone where that is None."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # TFDS keeps the name of its default config there, for readers without the builder's code.
    shutil.copytree(built.parent.parent / ".config", target.parent.parent / ".config", dirs_exist_ok=True)
    if aside:
        target.rename(aside)
    try:
        built.rename(target)
    except OSError:
        if aside:
            aside.rename(target)
            raise
        # Another process, of the same distributed run perhaps, may have been quicker.
        if _read_origin(target) != origin:
            raise


def _open(data: str | os.PathLike[str]) -> Any:
    """A TFDS builder that reads the data, which are prepared first where that was not done."""
    from femo_jax.data.tfds import tfds

    path = Path(data).expanduser()
    prepared = _prepared_in(path) or _prepared_in(prepare(path))
    return tfds.builder_from_directory(str(prepared[0]))


def _prepared_in(root: Path) -> list[Path]:
    """The folders of TFDS' records in a data_dir, the one with votes first."""
    return sorted((info.parent for info in root.glob(f"{_DATASET}/*/*/dataset_info.json")), reverse=True)


def _read(builder: Any, split: str) -> Split:
    """Reads the records of a split in the order in which TFDS reads them, but all at once: ten times as fast."""
    from femo_jax.data.tf import tf

    info = builder.info.splits[split]
    fields = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
    }
    if "votes" in builder.info.features:
        fields["votes"] = tf.io.FixedLenFeature([len(VOTES)], tf.int64)
    try:
        records = tf.data.TFRecordDataset([str(path) for path in info.filepaths])
        columns = tf.io.parse_example(records.batch(info.num_examples).get_single_element(), fields)
    except tf.errors.OpError as error:
        raise DataError(
            f"{builder.data_dir}: split {split!r} is damaged ({error.message}). Prepare it again with --overwrite."
        ) from error
    images = [_decode_png(encoded) for encoded in columns["image"].numpy()]
    return Split(
        images=np.stack(images)[..., None],
        labels=columns["label"].numpy().astype(np.int32),
        names=np.array([name.decode() for name in columns["name"].numpy()]),
        votes=columns["votes"].numpy().astype(np.uint8) if "votes" in columns else None,
    )


def _decode_png(encoded: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE))
