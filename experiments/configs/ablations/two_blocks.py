"""Hypothesis: two residual blocks a stage are worth their time, at widths that keep parameters below a million."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, model_options={"widths": (32, 56, 96, 160), "blocks": 2})
