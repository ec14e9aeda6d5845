"""Hypothesis: sharpness-aware minimisation generalises better, at twice the work."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, sam_rho=0.05)
