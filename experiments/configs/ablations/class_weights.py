"""Hypothesis: balanced class weights raise macro-F1 and lower accuracy."""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, class_weights="balanced")
