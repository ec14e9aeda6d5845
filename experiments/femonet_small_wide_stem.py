"""Claim: less than a million parameters see more where early stages are wide and late ones narrow.

Taught by the three FemoNets as `femonet_small.py`, with the widths of `ablations/wide_stem.py`, a whitened first layer
and three quarters of the epochs.

femo sweep experiments/femonet_small_wide_stem.py --data fer2013 --workdir runs --seeds 0 1 2
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

small = load_config(Path(__file__).with_name("femonet_small.py"))
config = dataclasses.replace(
    small,
    model_options={"widths": (48, 96, 160, 160)},
    epochs=60,
    whitened_start=True,
)
