"""Claim: half of each target from what a larger network says of the picture teaches more than the labels alone.

femo soft-labels runs/femonet/seed0 --data FER2013_WITH_VOTES -o femonet-soft-labels.safetensors
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, soft_labels="femonet-soft-labels.safetensors", soft_label_share=0.5)
