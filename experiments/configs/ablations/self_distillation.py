"""Hypothesis: self-distillation helps with noisy labels."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, self_distillation=0.5)
