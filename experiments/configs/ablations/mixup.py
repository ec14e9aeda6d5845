"""Hypothesis: mixup lowers accuracy in so few epochs."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
augmentation = dataclasses.replace(base.augmentation, mixup=0.2)
config = dataclasses.replace(base, augmentation=augmentation)
