"""Several models on several data sets, with the same images and intervals for all of them."""

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from femo_jax.data.load import available_splits, load_split
from femo_jax.data.splits import Split, occurs_in
from femo_jax.emotions import canonical_name
from femo_jax.errors import DataError
from femo_jax.evaluate.bootstrap import bootstrap
from femo_jax.evaluate.classes import MatchedClasses, match_classes, restricted
from femo_jax.evaluate.classifiers import Classifier, load_classifier
from femo_jax.evaluate.metrics import accuracy_of
from femo_jax.evaluate.robustness import robustness
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import create_detector
from femo_jax.live.image import InputImage

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def benchmark(
    models: Sequence[str | os.PathLike[str]],
    data: Sequence[str | os.PathLike[str]] = (),
    *,
    split: str | None = None,
    training_data: str | os.PathLike[str] | None = None,
    whole_images: Sequence[str | os.PathLike[str]] = (),
    corruptions: bool = False,
    detector: DetectorConfig | None = None,
    draws: int = 1000,
    seed: int = 0,
    on_progress: Callable[[str], object] = lambda _: None,
) -> list[dict[str, Any]]:
    """Measures each model on each data set.

    Args:
      models: as `femo_jax.evaluate.classifiers.load_classifier` takes them.
      data: face data sets, as `load_split` takes them.
      split: of each of `data`; None for `test`, or `validation` of data that have no `test`.
      training_data: a data set; images of its training split are removed from `data`, by their pixels.
      whole_images: folders or zips `<class>/<file>` of images of which the largest face counts, found by `detector`.
      corruptions: also measure accuracy and calibration on corrupted faces of `data`.
      detector: of `whole_images`.
      draws: bootstrap samples.
      seed: of the samples.
      on_progress: called with a few words when a step begins.

    Returns:
      A dict for each model and data set, ready for JSON: `model`, `data`, `kind` (`faces` or `whole images`), `n`,
      `overlap_removed`, `left_out` as in `femo_jax.evaluate.run.evaluate`, and `metrics` and `common_classes`, see
      `femo_jax.evaluate.bootstrap.bootstrap`: over all classes of the model, and over those that the data have (None
      if these are all). With corruptions also `corrupted`: `mean_accuracy` and `mean_ece`. For whole images also
      `images`, `found` (share), and `accuracy_of_all`, where an image without a face counts as wrong.

    Raises:
      FemoError: a model or data set cannot be used.
    """
    finder = create_detector(detector or DetectorConfig())
    classifiers = [load_classifier(model, finder) for model in models]
    known = None if training_data is None else load_split(training_data, "train").images
    rows = []
    for each in data:
        measured = split or ("test" if "test" in available_splits(each) else "validation")
        faces = load_split(each, measured)
        kept = np.ones(len(faces.labels), bool) if known is None else ~occurs_in(faces.images, known)
        if not kept.any():
            raise DataError(f"{each}: all images of {measured} are in the training split of {training_data}")
        votes = None if faces.votes is None else faces.votes[kept]
        faces = faces._replace(
            images=faces.images[kept], labels=faces.labels[kept], names=faces.names[kept], votes=votes
        )
        for classifier in classifiers:
            on_progress(f"{classifier.name} on {each}")
            matched = match_classes(classifier.class_names, faces)
            probabilities = classifier.predict(matched.split.images)
            row: dict[str, Any] = {"model": classifier.name, "data": os.fspath(each), "kind": "faces"}
            row |= {"split": measured, "n": len(matched.split.labels), "overlap_removed": int((~kept).sum())}
            row |= _measured(probabilities, matched, draws, seed)
            if corruptions:
                row["corrupted"] = _corrupted(classifier, matched, probabilities, on_progress)
            rows.append(row)
    for each in whole_images:
        rows += _whole_images(classifiers, Path(each), draws, seed, on_progress)
    return rows


def _measured(probabilities: np.ndarray, matched: MatchedClasses, draws: int, seed: int) -> dict[str, Any]:
    labels, common = matched.split.labels, None
    if matched.only_model:
        common = bootstrap(*restricted(probabilities, labels, matched.common), draws=draws, seed=seed)
    return {
        "left_out": {
            "model_classes": list(matched.only_model),
            "data_classes": list(matched.only_data),
            "images": matched.left_out,
        },
        "metrics": bootstrap(probabilities, labels, draws=draws, seed=seed),
        "common_classes": common,
    }


def _corrupted(
    classifier: Classifier, matched: MatchedClasses, probabilities: np.ndarray, on_progress: Callable[[str], object]
) -> dict[str, float]:
    found = robustness(classifier.predict, matched.split, probabilities, on_progress=on_progress)
    return {
        "mean_accuracy": found["mean_accuracy"],
        "mean_ece": float(np.mean([of["ece"] for of in found["corrupted"].values()])),
    }


def _whole_images(
    classifiers: Sequence[Classifier], path: Path, draws: int, seed: int, on_progress: Callable[[str], object]
) -> list[dict[str, Any]]:
    answers: list[list[np.ndarray | None]] = [[] for _ in classifiers]
    labels: list[str] = []
    for label, image in read_whole_images(path):
        if len(labels) % 50 == 0:
            on_progress(f"{path}: image {len(labels) + 1:,}")
        labels.append(label)
        for of_model, classifier in zip(answers, classifiers, strict=True):
            of_model.append(classifier.largest_face(image))
    names = tuple(sorted(set(labels)))
    rows = []
    for of_model, classifier in zip(answers, classifiers, strict=True):
        everything = Split(
            images=np.zeros((len(labels), 1, 1, 1), np.uint8),
            labels=np.array([names.index(label) for label in labels], np.int32),
            names=np.arange(len(labels)),
            class_names=names,
        )
        judged = match_classes(classifier.class_names, everything)  # `names` of its split are indices of images
        found = np.array([of_model[index] is not None for index in judged.split.names])
        if not found.any():
            raise DataError(f"{path}: {classifier.name} finds no face in any image. Try another --detector")
        of_found = judged._replace(
            split=judged.split._replace(labels=judged.split.labels[found], names=judged.split.names[found])
        )
        probabilities = np.stack([of_model[index] for index in of_found.split.names])  # pyright: ignore
        right = np.zeros(len(found), bool)
        right[found] = probabilities.argmax(axis=1) == of_found.split.labels
        rows.append(
            {"model": classifier.name, "data": os.fspath(path), "kind": "whole images", "n": int(found.sum())}
            | {"overlap_removed": 0, "images": len(found), "found": float(found.mean())}
            | {"accuracy_of_all": accuracy_of(right)}
            | _measured(probabilities, of_found, draws, seed)
        )
    return rows


def read_whole_images(path: Path) -> Iterator[tuple[str, InputImage]]:
    """Canonical class name and pixels of each image `<class>/<file>` of a folder or zip, in the order of their names.

    Raises:
      DataError: there is no such folder or zip, it holds no image in a class folder, or an image cannot be read.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from _decoded(path, archive.namelist(), archive.read)
    elif path.is_dir():
        files = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
        yield from _decoded(path, files, lambda name: (path / name).read_bytes())
    else:
        raise DataError(f"{path}: expected a folder or a zip with <class>/<image>")


def _decoded(path: Path, names: Sequence[str], read: Callable[[str], bytes]) -> Iterator[tuple[str, InputImage]]:
    images = sorted(name for name in names if name.count("/") >= 1 and name.lower().endswith(_SUFFIXES))
    if not images:
        raise DataError(f"{path}: no image in a class folder. Expected <class>/<image>, such as happy/0001.jpg")
    for name in images:
        pixels = cv2.imdecode(np.frombuffer(read(name), np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise DataError(f"{path}: {name} cannot be read as an image. Remove or replace it")
        yield canonical_name(name.split("/")[-2]), InputImage.of(pixels)
