"""Hypothesis: a first layer initialised with the principal components of image patches learns faster."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, whitening_init=True)
