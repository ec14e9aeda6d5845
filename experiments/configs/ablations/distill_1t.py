r"""Hypothesis: soft labels of one larger network for half of each target teach more than the labels alone.

The soft labels are made first, from a run of `ferplus_self_distill`, and written beside this file:

femo soft-labels runs/ferplus_self_distill/seed0 --data fer2013 \
    -o experiments/configs/ablations/femonet-soft-labels.safetensors
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

base = load_config(Path(__file__).with_name("base.py"))
config = dataclasses.replace(base, soft_labels="femonet-soft-labels.safetensors", distillation_weight=0.5)
