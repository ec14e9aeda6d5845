"""Hypothesis: SGD with Nesterov momentum needs more epochs than Muon, which its shorter steps do not make up for."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, optimizer="sgd", learning_rate=0.1, weight_decay=5e-4)
