"""FER-2013 for TensorFlow Datasets, from any form in which people have it."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.data.ferplus import CLASSES, NO_MAJORITY, NO_VOTES, VOTES, FerPlus, load_ferplus, majority
from femo_jax.data.forms import open_dataset
from femo_jax.data.labelled_images import Mapped
from femo_jax.data.reading import Limits
from femo_jax.data.records import OnProgress, png, utf8
from femo_jax.data.splits import SPLITS, Face
from femo_jax.data.tfds import tfds
from femo_jax.emotions import EMOTIONS, canonical_name
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

MAJORITY_CONFIG = "ferplus_labels"
"""Name of the config with the labels of FER+."""

_FERPLUS_FILES = ("ferplus.csv", "fer2013new.csv")


class Fer2013(tfds.core.GeneratorBasedBuilder):
    """Builds FER-2013 with its official splits; config `ferplus` adds the votes of FER+, `ferplus_labels` its labels.

    Examples: `image [48, 48, 1] uint8`, `label` in the order of `femo_jax.EMOTIONS`, `name` text and, but for the
    default config, `votes [10] uint8` in the order of `femo_jax.data.ferplus.VOTES`. In config `ferplus_labels` the
    label is the majority of the votes, in the order of `femo_jax.data.ferplus.CLASSES`, and images without a majority
    are left out. A split of which the source holds no image is left out.

    Attributes:
      left_out: Files of the source that are no images, once the data are prepared.
      classes: What the votes make of the images in config `ferplus_labels`, once the data are prepared; empty
        otherwise.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012 (TFDS reads it from the class)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="default", description="Images with the labels of FER-2013."),
        tfds.core.BuilderConfig(name="ferplus", description="The same, with the ten votes of FER+ for each image."),
        tfds.core.BuilderConfig(name=MAJORITY_CONFIG, description="Images with the majority of FER+'s votes as label."),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "default"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
    Put FER-2013 into manual_dir in one of its forms: fer2013.csv, icml_face_data.csv, fer2013.tar.gz, the zip of
    https://www.kaggle.com/datasets/msambare/fer2013 or the folders train and test that it holds. All configs
    but the default need the votes there, as fer2013new.csv of https://github.com/microsoft/FERPlus or as ferplus.csv.
    """

    def __init__(
        self,
        *,
        source: str | os.PathLike[str] | None = None,
        ferplus: str | os.PathLike[str] | None = None,
        limits: Limits | None = None,
        on_progress: OnProgress | None = None,
        **options: Any,
    ):
        """Takes the options of every TFDS builder, and where to read from instead of TFDS' manual folder.

        Args:
          source: FER-2013 in any form.
          ferplus: the votes, for configs with votes.
          limits: bounds on what is read; the default ones when None.
          on_progress: called after each image that is read or written.
          **options: `data_dir`, `config`, `version`.
        """
        super().__init__(**options)
        self._source = source
        self._ferplus = ferplus
        self._limits = limits
        self.left_out: list[str] = []
        self.classes: list[Mapped] = []
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._written = 0

    def _info(self) -> tfds.core.DatasetInfo:
        features: dict[str, Any] = {
            "image": tfds.features.Image(shape=(IMAGE_SIZE, IMAGE_SIZE, 1), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=CLASSES if self._by_majority else EMOTIONS),
            "name": tfds.features.Text(),
        }
        if self._has_votes:
            features["votes"] = tfds.features.Tensor(shape=(len(VOTES),), dtype=np.uint8)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
        )

    @property
    def _has_votes(self) -> bool:
        return self.builder_config is not None and self.builder_config.name != "default"

    @property
    def _by_majority(self) -> bool:
        return self.builder_config is not None and self.builder_config.name == MAJORITY_CONFIG

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[str, dict]]]:
        """Reads everything before anything is written: 83 MB for all of FER-2013."""
        source = Path(self._source or dl_manager.manual_dir)
        votes = load_ferplus(self._ferplus or _ferplus_in(Path(dl_manager.manual_dir))) if self._has_votes else None
        faces: dict[str, list[Face]] = {split: [] for split in SPLITS}
        with open_dataset(source, self._limits) as dataset:
            total = len(dataset)
            for done, face in enumerate(dataset.faces(), start=1):
                faces[face.split].append(face)
                self._on_progress("read", done, total)
            self.left_out = dataset.left_out
        if not any(faces.values()):
            raise DataError(f"{source}: holds no images.")
        if votes:
            votes.check_covers([face for split in SPLITS for face in faces[split]])
            if self._by_majority:
                faces = self._with_majority(faces, votes)
        total = sum(map(len, faces.values()))
        self._written = 0
        return {split: self._generate_examples(faces[split], votes, total) for split in SPLITS if faces[split]}

    def _with_majority(self, faces: dict[str, list[Face]], votes: FerPlus) -> dict[str, list[Face]]:
        """The images whose votes have a majority; counts what becomes of all."""
        counts = Counter(majority(votes.of(face)) for split in SPLITS for face in faces[split])
        names = {seen: canonical_name(seen) if seen in VOTES[: len(CLASSES)] else "" for seen in _OUTCOMES}
        self.classes = [Mapped(seen, name, counts[seen]) for seen, name in names.items()]
        kept = {split: [face for face in faces[split] if names[majority(votes.of(face))]] for split in SPLITS}
        if not kept["train"]:
            raise DataError(f"{votes.path}: no image of the training split has a majority among its votes.")
        return kept

    def _generate_examples(
        self, faces: Sequence[Face], votes: FerPlus | None, total: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for face in faces:
            name = utf8(face.name)
            example = {"image": png(face.image), "label": face.emotion.label, "name": name}
            if votes:
                example["votes"] = votes.of(face)
            if votes and self._by_majority:
                example["label"] = canonical_name(majority(example["votes"]))
            yield name, example
            self._written += 1
            self._on_progress("write", self._written, total)


_OUTCOMES = (*VOTES, NO_MAJORITY, NO_VOTES)


def _ferplus_in(folder: Path) -> Path:
    for name in _FERPLUS_FILES:
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{folder}: holds no votes of FER+; expected {' or '.join(_FERPLUS_FILES)}.")
