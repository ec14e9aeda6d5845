"""TFDS' own checks of a builder, on made-up faces."""

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

from femo_jax.data.fer2013 import fer2013_dataset_builder
from femo_jax.data.ferplus import CLASSES, VOTES
from femo_jax.data.tfds import tfds
from femo_jax.emotions import EMOTIONS


def _write_examples(folder):
    """One image of each class in each split, as Kaggle's folders, and votes on all."""
    rows = ["name,usage,csv_row," + ",".join((*VOTES[:-1], "NF"))]
    for number, (split, usage) in enumerate((("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest"))):
        for label in EMOTIONS:
            name = f"{split}/{label}/{usage}_{number}.jpg"
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(len(rows)).integers(0, 256, (48, 48), np.uint8)
            assert cv2.imwrite(os.fspath(path), noise)
            rows.append(f"{name},{usage},{len(rows)},1,0,0,0,9,0,0,0,0,0")
    Path(folder, "ferplus.csv").write_text("\n".join(rows))


class Fer2013Test(tfds.testing.DatasetBuilderTestCase):
    """Tests all configs."""

    DATASET_CLASS = fer2013_dataset_builder.Fer2013
    SPLITS = {"train": 7, "validation": 7, "test": 7}  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        examples = tempfile.TemporaryDirectory()
        cls.addClassCleanup(examples.cleanup)
        _write_examples(examples.name)
        cls.EXAMPLE_DIR = examples.name
        super().setUpClass()

    def test_features(self):
        configs = ("default", "ferplus", "ferplus_labels")
        default, ferplus, by_majority = (self._make_builder(config=config) for config in configs)
        self.assertEqual(set(default.info.features), {"image", "label", "name"})
        self.assertEqual(set(ferplus.info.features), {"image", "label", "name", "votes"})
        self.assertEqual(default.info.features["image"].shape, (48, 48, 1))
        self.assertEqual(default.info.features["label"].names, list(EMOTIONS))
        self.assertEqual(ferplus.info.features["votes"].shape, (10,))
        self.assertEqual(set(by_majority.info.features), {"image", "label", "name", "votes"})
        self.assertEqual(by_majority.info.features["label"].names, list(CLASSES))

    def test_description_and_citation_are_found(self):
        info = self._make_builder(config="default").info
        self.assertIn("35,887", info.description)
        self.assertIn("Barsoum", info.citation)
