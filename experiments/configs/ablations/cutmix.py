"""Hypothesis: CutMix lowers accuracy in so few epochs."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
augmentation = dataclasses.replace(base.augmentation, cutmix=1.0)
config = dataclasses.replace(base, augmentation=augmentation)
