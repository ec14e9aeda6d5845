"""Hypothesis: eight epochs at 32x32 pixels save time, and the last four at 48x48 make up for them."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, low_res_size=32, low_res_epochs=8)
