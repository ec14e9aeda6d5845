"""Claim: a FemoNet that learns from what three of its own kind say of its pictures sees more than they do.

Born-again networks (arXiv:1805.04770), with a whitened first layer, which gained among the ablations. The three and
their answers are those of `femonet_small.py`.

femo sweep experiments/femonet_born_again.py --data fer2013 --workdir runs --seeds 0 1 2
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

femonet = load_config(Path(__file__).with_name("femonet.py"))
config = dataclasses.replace(
    femonet,
    vote_share=0.25,
    soft_labels="experiments/results/femonet/soft_labels.safetensors",
    soft_label_share=0.5,
    self_distillation=0.0,
    whitened_start=True,
)
