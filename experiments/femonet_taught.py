"""FemoNet of 4.8 million parameters, the network that femo recognises emotions with, taught by six others.

Three of them are of `femonet_large.py`, three of the kind of `femonet_taught_by_four.py`; the page of results names the
runs, and the command that wrote down what they say. Three quarters of each target are theirs, a quarter is the label.
A patient pupil: many epochs of strong augmentation (Beyer et al. 2021, arXiv:2106.05237).

femo sweep experiments/femonet_taught.py --data fer2013 --workdir runs --seeds 0 1 2
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

taught_by_four = load_config(Path(__file__).with_name("femonet_taught_by_four.py"))
config = dataclasses.replace(
    taught_by_four,
    epochs=220,
    soft_labels="experiments/results/soft_labels/six.safetensors",
    augmentation=dataclasses.replace(taught_by_four.augmentation, rotation=15.0, scale=0.2, erasing=0.5),
)
