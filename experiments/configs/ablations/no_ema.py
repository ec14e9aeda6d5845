"""Hypothesis: averaged weights are better than the last ones: without them, accuracy falls."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, ema_decay=0.0)
