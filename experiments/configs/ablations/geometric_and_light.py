"""Hypothesis: rotation, zoom and changes of light lower accuracy in so few epochs."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
augmentation = dataclasses.replace(base.augmentation, rotation=10.0, scale=0.1, brightness=0.1, contrast=0.2)
config = dataclasses.replace(base, augmentation=augmentation)
