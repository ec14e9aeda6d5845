"""What is written of FER-2013 by femo and by the builder of TensorFlow Datasets (TFDS): its configs and its images."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from femo_jax.data.ferplus import CLASSES, NO_MAJORITY, NO_VOTES, VOTES, FerPlus, load_ferplus, majority
from femo_jax.data.forms import open_dataset
from femo_jax.data.labelled_images import Mapped
from femo_jax.data.reading import Limits
from femo_jax.data.records import Example, OnProgress, utf8
from femo_jax.data.splits import SPLITS, Face
from femo_jax.data.tfds_folder import DatasetInfo
from femo_jax.emotions import EMOTIONS, canonical_name
from femo_jax.errors import DataError

FER2013 = "fer2013"
"""TFDS' name of the data set."""

MAJORITY_CONFIG = "ferplus_labels"
"""Name of the config with the labels of FER+."""

CONFIGS = {
    "default": "Images with the labels of FER-2013.",
    "ferplus": "The same, with the ten votes of FER+ for each image.",
    MAJORITY_CONFIG: "Images with the majority of FER+'s votes as label.",
}
"""Names and descriptions of the configs."""

_CHALLENGE = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
_OUTCOMES = (*VOTES, NO_MAJORITY, NO_VOTES)


class Content(NamedTuple):
    """What is written of a data set.

    Attributes:
      splits: images of each split that has any.
      left_out: names of files of the source that are not among them.
      classes: what became of each class of the source; empty for FER-2013's own labels.
    """

    splits: Mapping[str, Sequence[Example]]
    left_out: Sequence[str]
    classes: Sequence[Mapped] = ()


def fer2013_info(config: str) -> DatasetInfo:
    """What TFDS states of FER-2013 in one of its configs."""
    about = Path(__file__).parent / FER2013
    return DatasetInfo(
        name=FER2013,
        class_names=CLASSES if config == MAJORITY_CONFIG else EMOTIONS,
        module="femo_jax.data.fer2013.fer2013_dataset_builder",
        description=(about / "README.md").read_text("utf-8").strip(),
        config=config,
        config_description=CONFIGS[config],
        has_votes=config != "default",
        citation=(about / "CITATIONS.bib").read_text("utf-8").strip(),
        urls=[_CHALLENGE],
    )


def read_fer2013(
    path: str | os.PathLike[str],
    config: str,
    ferplus: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
) -> Content:
    """Reads all of FER-2013 into memory: 83 MB.

    Args:
      path: FER-2013 in any form.
      config: one of `CONFIGS`.
      ferplus: votes that go with the images, see `load_ferplus`; the default config has none.
      limits: bounds on what is read; the default ones when None.
      on_progress: called after each image.

    Raises:
      DataError: As `open_dataset`, `Dataset.faces` and `load_ferplus`; there is no image, or none with a label, or the
        votes are of others.
    """
    votes = load_ferplus(ferplus) if ferplus else None
    faces: dict[str, list[Face]] = {split: [] for split in SPLITS}
    with open_dataset(path, limits) as dataset:
        total = len(dataset)
        for done, face in enumerate(dataset.faces(), start=1):
            faces[face.split].append(face)
            if on_progress:
                on_progress("read", done, total)
        left_out = dataset.left_out
    if not any(faces.values()):
        raise DataError(f"{path}: holds no images.")
    if votes is None:
        return Content(_without_empty({split: [_example(face) for face in faces[split]] for split in SPLITS}), left_out)
    votes.check_covers([face for split in SPLITS for face in faces[split]])
    if config == MAJORITY_CONFIG:
        return _with_majority(faces, votes, left_out)
    examples = {split: [_example(face)._replace(votes=votes.of(face)) for face in faces[split]] for split in SPLITS}
    return Content(_without_empty(examples), left_out)


def _with_majority(faces: Mapping[str, Sequence[Face]], votes: FerPlus, left_out: Sequence[str]) -> Content:
    """The images whose votes have a majority, with that as their label; counts what becomes of all."""
    names = {seen: canonical_name(seen) if seen in VOTES[: len(CLASSES)] else "" for seen in _OUTCOMES}
    examples: dict[str, list[Example]] = {split: [] for split in SPLITS}
    counts: Counter[str] = Counter()
    for split in SPLITS:
        for face in faces[split]:
            of_face = votes.of(face)
            seen = majority(of_face)
            counts[seen] += 1
            if names[seen]:
                examples[split].append(_example(face)._replace(label=CLASSES.index(names[seen]), votes=of_face))
    if not examples["train"]:
        raise DataError(f"{votes.path}: no image of the training split has a majority among its votes.")
    classes = [Mapped(seen, name, counts[seen]) for seen, name in names.items()]
    return Content(_without_empty(examples), left_out, classes)


def _example(face: Face) -> Example:
    return Example(face.image, int(face.emotion), utf8(face.name))


def _without_empty(splits: Mapping[str, Sequence[Example]]) -> dict[str, Sequence[Example]]:
    return {split: examples for split, examples in splits.items() if examples}
