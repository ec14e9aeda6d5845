"""Labelled face images of one's own for TensorFlow Datasets."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from femo_jax.data.records import OnProgress, png, utf8
from femo_jax.data.splits import SPLITS
from femo_jax.data.tfds import tfds
from femo_jax.preprocess import IMAGE_SIZE


class Example(NamedTuple):
    """One image to be written: `image [48, 48] uint8`, grey, with its class name, split and name."""

    image: np.ndarray
    label: str
    split: str
    name: str


class LabelledFaces(tfds.core.GeneratorBasedBuilder):
    """Builds a data set of face crops with class names of its own.

    Examples: `image [48, 48, 1] uint8`, `label` in the order of the class names, `name` text. Splits without an image
    are left out.

    Attributes:
      left_out: files of the source that are not in the data set.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012 (TFDS reads it from the class)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="default", description="Face crops with class names of their own.")
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "default"

    def __init__(
        self,
        *,
        read: Callable[[], Sequence[Example]],
        class_names: Sequence[str],
        left_out: Sequence[str] = (),
        on_progress: OnProgress | None = None,
        **options: Any,
    ):
        """Takes the options of every TFDS builder, and what to write.

        Args:
          read: gives all examples.
          class_names: of the data set, in the order of the labels.
          left_out: names of files that are not among the examples; complete once `read` returns.
          on_progress: called after each image that is written.
          **options: `data_dir`, `version`.
        """
        self._read = read
        self._class_names = list(class_names)
        self.left_out = left_out
        self._on_progress = on_progress or (lambda stage, done, total: None)
        self._written = 0
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Face crops with class names of their own.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(IMAGE_SIZE, IMAGE_SIZE, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=self._class_names),
                    "name": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[str, dict]]]:
        """Reads everything before anything is written: 2.3 KB an image."""
        examples = self._read()
        self._written = 0
        of_split = {split: [each for each in examples if each.split == split] for split in SPLITS}
        return {split: self._generate_examples(of_split[split], len(examples)) for split in SPLITS if of_split[split]}

    def _generate_examples(self, examples: Sequence[Example], total: int) -> Iterator[tuple[str, dict[str, Any]]]:
        for each in examples:
            name = utf8(each.name)
            yield name, {"image": png(each.image), "label": each.label, "name": name}
            self._written += 1
            self._on_progress("write", self._written, total)
