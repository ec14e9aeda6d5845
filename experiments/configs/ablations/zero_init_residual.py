"""Hypothesis: residual branches that start at zero learn faster."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, model_options={**base.model_options, "identity_start": True})
