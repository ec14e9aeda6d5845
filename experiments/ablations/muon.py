"""Claim: Muon needs fewer epochs than SGD, and they are worth their longer steps."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, optimizer="muon", learning_rate=0.01, weight_decay=0.05)
