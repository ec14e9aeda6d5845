"""A version folder of TensorFlow Datasets (TFDS), written and read without TensorFlow.

TFDS opens what is written here, with the same images in the same order as its own builder would give; what TFDS wrote
is read as well.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from femo_jax.data.ferplus import VOTES
from femo_jax.data.records import Example, OnProgress, png, utf8
from femo_jax.data.splits import Split
from femo_jax.data.tfrecord import (
    DamagedRecordError,
    Features,
    decode_example,
    encode_example,
    read_records,
    write_records,
)
from femo_jax.emotions import check_class_names
from femo_jax.errors import ConfigError, DataError
from femo_jax.files import write_json, write_text
from femo_jax.preprocess import IMAGE_SIZE

VERSION = "1.0.0"
"""Version of the data sets, and name of their folders."""

DESCRIPTIONS = ("dataset_info.json", "features.json")
"""The files that TFDS reads first."""

_LABELS = "label.labels.txt"
_FEATURES = "tensorflow_datasets.core.features."
_AGAIN = "Prepare the data again with --overwrite."


@dataclass(frozen=True)
class DatasetInfo:
    """What TFDS states of a data set besides its images.

    Attributes:
      name: of the data set.
      class_names: in the order of the labels.
      module: in which its builder is, or what wrote it.
      description: text.
      config: name of the variant.
      config_description: text.
      has_votes: whether each image has FER+ votes.
      citation: BibTeX.
      urls: where the data come from.
    """

    name: str
    class_names: Sequence[str]
    module: str
    description: str
    config: str = "default"
    config_description: str = ""
    has_votes: bool = False
    citation: str = ""
    urls: Sequence[str] = ()


@dataclass(frozen=True)
class TfdsFolder:
    """A version folder, as its descriptions state it.

    Attributes:
      path: of the folder.
      class_names: in the order of the labels.
      splits: number of images of each file of each split.
      has_votes: whether each image has FER+ votes.
    """

    path: Path
    class_names: tuple[str, ...]
    splits: Mapping[str, Sequence[int]]
    has_votes: bool
    _dataset: str = field(repr=False)

    def files(self, split: str) -> list[str]:
        """Names of the files of a split, in their order."""
        count = len(self.splits[split])
        return [f"{self._dataset}-{split}.tfrecord-{index:05}-of-{count:05}" for index in range(count)]

    def read(self, split: str) -> Split:
        """Reads all images of a split.

        Raises:
          DataError: a file is missing, was cut off or changed, or holds no faces.
        """
        try:
            examples = list(self._examples(split))
        except (OSError, DamagedRecordError) as error:
            problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise self._damaged(split, problem) from error
        labels = np.array([example.label for example in examples], np.int32)
        return Split(
            images=np.stack([example.image for example in examples])[..., None],
            labels=labels,
            names=np.array([example.name for example in examples]),
            votes=np.stack([example.votes for example in examples]) if self.has_votes else None,  # type: ignore[misc]
            class_names=self.class_names,
        )

    def _examples(self, split: str) -> Iterator[Example]:
        for name, expected in zip(self.files(split), self.splits[split], strict=True):
            records = read_records(self.path / name)
            if len(records) != expected or not records:
                raise DamagedRecordError(f"{name} has {len(records)} images instead of {expected}")
            for record in records:
                yield self._example(decode_example(record))

    def _example(self, features: Features) -> Example:
        try:
            (encoded,), (label,), (name,) = (features[key] for key in ("image", "label", "name"))
            image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)  # type: ignore[arg-type]
            votes = np.array(features["votes"], np.uint8) if self.has_votes else None
            valid = image is not None and image.shape == (IMAGE_SIZE, IMAGE_SIZE) and label in self._labels
            if valid and (votes is None or votes.shape == (len(VOTES),)):
                return Example(image, label, name.decode(errors="replace"), votes)  # type: ignore[union-attr, arg-type]
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, cv2.error) as error:
            raise DamagedRecordError("an image, a label or a name is not valid") from error
        raise DamagedRecordError("an image or a label is not valid")

    @property
    def _labels(self) -> range:
        return range(len(self.class_names))

    def _damaged(self, split: str, problem: str) -> DataError:
        return DataError(f"{self.path}: split {split!r} is damaged ({problem}). {_AGAIN}")


def open_folder(path: Path) -> TfdsFolder:
    """Reads the descriptions of a version folder.

    Raises:
      DataError: they are missing or damaged, or those of no faces with labels.
    """
    try:
        info, features = (json.loads((path / name).read_text("utf-8")) for name in DESCRIPTIONS)
        kinds = features["featuresDict"]["features"]
        splits = {each["name"]: [int(length) for length in each["shardLengths"]] for each in info["splits"]}
        name = str(info["name"])
        if not {"image", "label", "name"} <= kinds.keys():
            raise KeyError("image, label, name")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: {' or '.join(DESCRIPTIONS)} is missing or damaged ({type(error).__name__}). {_AGAIN}"
        ) from error
    try:
        class_names = check_class_names((path / _LABELS).read_text("utf-8").splitlines())
    except (OSError, ValueError, ConfigError) as error:
        raise DataError(f"{path}: {_LABELS} has no usable class names ({error}). {_AGAIN}") from error
    return TfdsFolder(path, class_names, splits, "votes" in kinds, name)


def write_folder(
    data_dir: Path, info: DatasetInfo, splits: Mapping[str, Sequence[Example]], on_progress: OnProgress | None = None
) -> Path:
    """Writes a data set below a new data_dir, one file a split, in TFDS' order: by the MD5 of split and name.

    Returns:
      The version folder.

    Raises:
      OSError: the disk is full, or the folder cannot be written.
    """
    folder = data_dir / info.name / info.config / VERSION
    folder.mkdir(parents=True)
    total, written = sum(map(len, splits.values())), 0
    sizes = {}
    for split, examples in splits.items():
        ordered = sorted(examples, key=lambda example: _key(split, example.name))
        records = [_encode(example) for example in ordered]
        sizes[split] = sum(map(len, records))
        path = folder / f"{info.name}-{split}.tfrecord-00000-of-00001"
        with path.open("wb") as file:
            for _ in write_records(file, records):
                written += 1
                if on_progress:
                    on_progress("write", written, total)
            file.flush()
            os.fsync(file.fileno())
    write_text(folder / _LABELS, "".join(f"{name}\n" for name in info.class_names))
    write_json(folder / "dataset_info.json", _info_record(info, splits, sizes))
    write_json(folder / "features.json", _features_record(info))
    # Readers without the builder's code look there for the name of the default config.
    config = folder.parent.parent / ".config"
    config.mkdir()
    write_json(config / "metadata.json", {"default_config_name": "default"})
    return folder


def _key(split: str, name: str) -> bytes:
    return hashlib.md5(split.encode() + utf8(name).replace("\\", "/").encode(), usedforsecurity=False).digest()


def _encode(example: Example) -> bytes:
    features: dict[str, Any] = {
        "image": [png(example.image).getvalue()],
        "label": [int(example.label)],
        "name": [utf8(example.name).encode()],
    }
    if example.votes is not None:
        features["votes"] = example.votes.tolist()
    return encode_example(features)


def _info_record(info: DatasetInfo, splits: Mapping[str, Sequence[Example]], sizes: Mapping[str, int]) -> dict:
    """The content of dataset_info.json, a message of TFDS' dataset_info.proto."""
    template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    return {
        "citation": info.citation,
        "configDescription": info.config_description,
        "configName": info.config,
        "description": info.description,
        "fileFormat": "tfrecord",
        "location": {"urls": list(info.urls)},
        "moduleName": info.module,
        "name": info.name,
        "releaseNotes": {VERSION: "Initial release."},
        "splits": [
            {
                "filepathTemplate": template,
                "name": split,
                "numBytes": str(sizes[split]),
                "shardLengths": [str(len(examples))],
            }
            for split, examples in splits.items()
        ],
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
        "version": VERSION,
    }


def _features_record(info: DatasetInfo) -> dict:
    """The content of features.json, a message of TFDS' feature.proto."""
    features: dict[str, Any] = {
        "image": {
            "image": {"dtype": "uint8", "encodingFormat": "png", "shape": _shape(IMAGE_SIZE, IMAGE_SIZE, 1)},
            "pythonClassName": f"{_FEATURES}image_feature.Image",
        },
        "label": {
            "classLabel": {"numClasses": str(len(info.class_names))},
            "pythonClassName": f"{_FEATURES}class_label_feature.ClassLabel",
        },
        "name": {"pythonClassName": f"{_FEATURES}text_feature.Text", "text": {}},
    }
    if info.has_votes:
        features["votes"] = {
            "pythonClassName": f"{_FEATURES}tensor_feature.Tensor",
            "tensor": {"dtype": "uint8", "encoding": "none", "shape": _shape(len(VOTES))},
        }
    return {
        "featuresDict": {"features": features},
        "pythonClassName": f"{_FEATURES}features_dict.FeaturesDict",
    }


def _shape(*sizes: int) -> dict:
    return {"dimensions": [str(size) for size in sizes]}
