"""Claim: better teachers make better pupils: a FemoNet of 4.8 million parameters, taught by four larger or longer ones.

Three quarters of each target are what the four say, and a quarter is the label; without votes, since the four learned
from these. Their runs, and the command that wrote down what they say, are on the page of results.

femo sweep experiments/femonet_taught_by_four.py --data fer2013 --workdir runs --seeds 0
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

born_again = load_config(Path(__file__).with_name("femonet_born_again.py"))
config = dataclasses.replace(
    born_again,
    model_options={"widths": (96, 192, 320, 416)},
    epochs=100,
    vote_share=0.0,
    soft_labels="experiments/results/soft_labels/four.safetensors",
    soft_label_share=0.75,
)
