"""Hypothesis: twice the epochs raise accuracy, also with so little augmentation."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, epochs=24)
