"""Claim: with six teachers a FemoNet of 2.6 million parameters reaches 70 % on two cores in little more than an hour.

It missed that by four pictures, with 69.91 % at best; `femonet_wide_stem.py` reached it. The teachers are those of
`femonet_taught.py`; the network and the strengths of its augmentation are those of `femonet_born_again.py`, which fit
fewer epochs.

femo sweep experiments/femonet_two_cores.py --data fer2013 --workdir runs --seeds 0
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

born_again = load_config(Path(__file__).with_name("femonet_born_again.py"))
config = dataclasses.replace(
    born_again,
    epochs=90,
    vote_share=0.0,
    soft_labels="experiments/results/soft_labels/six.safetensors",
    soft_label_share=0.75,
)
