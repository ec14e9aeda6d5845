"""Hypothesis: multiply-adds are better spent at high resolution: wide early stages, narrow late ones."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, model_options={"widths": (48, 96, 160, 160)})
