"""Hypothesis: half as many channels again, and more in the last stage, are worth 2.4 times the multiply-adds."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, model_options={"widths": (48, 96, 192, 384)})
