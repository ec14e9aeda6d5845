"""Hypothesis: stronger augmentation, with random erasing, lowers accuracy further."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
augmentation = dataclasses.replace(
    base.augmentation, rotation=10.0, scale=0.15, translation=4.0, brightness=0.15, contrast=0.3, erasing=0.25
)
config = dataclasses.replace(base, augmentation=augmentation)
