"""FER-2013 for TensorFlow Datasets, from any form in which people have it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.data.fer2013_content import CONFIGS, fer2013_info, read_fer2013
from femo_jax.data.ferplus import VOTES
from femo_jax.data.reading import Limits
from femo_jax.data.records import Example, png
from femo_jax.data.tfds import tfds
from femo_jax.data.tfds_folder import DatasetInfo
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

_FERPLUS_FILES = ("ferplus.csv", "fer2013new.csv")


class Fer2013(tfds.core.GeneratorBasedBuilder):
    """Builds FER-2013 with its official splits; config `ferplus` adds the votes of FER+, `ferplus_labels` its labels.

    Examples: `image [48, 48, 1] uint8`, `label` in the order of `femo_jax.EMOTIONS`, `name` text and, but for the
    default config, `votes [10] uint8` in the order of `femo_jax.data.ferplus.VOTES`. In config `ferplus_labels` the
    label is the majority of the votes, in the order of `femo_jax.data.ferplus.CLASSES`, and images without a majority
    are left out. A split of which the source holds no image is left out. `femo_jax.data.prepare` writes the same data
    without TensorFlow.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012 (TFDS reads it from the class)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name, description=description) for name, description in CONFIGS.items()
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
        **options: Any,
    ):
        """Takes the options of every TFDS builder, and where to read from instead of TFDS' manual folder.

        Args:
          source: FER-2013 in any form.
          ferplus: the votes, for configs with votes.
          limits: bounds on what is read; the default ones when None.
          **options: `data_dir`, `config`, `version`.
        """
        super().__init__(**options)
        self._source = source
        self._ferplus = ferplus
        self._limits = limits

    @property
    def _about(self) -> DatasetInfo:
        return fer2013_info("default" if self.builder_config is None else self.builder_config.name)

    def _info(self) -> tfds.core.DatasetInfo:
        features: dict[str, Any] = {
            "image": tfds.features.Image(shape=(IMAGE_SIZE, IMAGE_SIZE, 1), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=self._about.class_names),
            "name": tfds.features.Text(),
        }
        if self._about.has_votes:
            features["votes"] = tfds.features.Tensor(shape=(len(VOTES),), dtype=np.uint8)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage=self._about.urls[0],
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[str, dict]]]:
        """Reads everything before anything is written."""
        about = self._about
        ferplus = (self._ferplus or _ferplus_in(Path(dl_manager.manual_dir))) if about.has_votes else None
        content = read_fer2013(self._source or dl_manager.manual_dir, about.config, ferplus, self._limits)
        return {split: self._generate_examples(examples) for split, examples in content.splits.items()}

    def _generate_examples(self, examples: Sequence[Example]) -> Iterator[tuple[str, dict[str, Any]]]:
        for example in examples:
            features = {"image": png(example.image), "label": example.label, "name": example.name}
            yield example.name, features | ({} if example.votes is None else {"votes": example.votes})


def _ferplus_in(folder: Path) -> Path:
    for name in _FERPLUS_FILES:
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{folder}: holds no votes of FER+; expected {' or '.join(_FERPLUS_FILES)}.")
