"""Hypothesis: label smoothing helps with noisy labels: without it, accuracy falls."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, label_smoothing=0.0)
