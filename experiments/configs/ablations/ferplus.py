"""Hypothesis: half of each target from FER+'s votes makes the labels less noisy."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, ferplus_weight=0.5)
