"""Claim: with six teachers a FemoNet of 2.6 million parameters reaches 70 % on two cores in little more than an hour.

It missed that by four pictures, with 69.91 % at best; `femonet_wide_stem.py` reached it. The teachers are those of
`femonet_taught.py`; the network is that of `femonet.py`, taught as in `femonet_taught_by_four.py`, whose strengths of
augmentation fit fewer epochs.

femo sweep experiments/femonet_two_cores.py --data fer2013 --workdir runs --seeds 0
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

taught_by_four = load_config(Path(__file__).with_name("femonet_taught_by_four.py"))
config = dataclasses.replace(
    taught_by_four,
    model_options={},
    epochs=90,
    soft_labels="experiments/results/soft_labels/six.safetensors",
)
