"""A FemoNet of 13 million parameters, too large for a robot, from which others learn; it has no teacher but itself.

Stronger augmentation and more dropout than `femonet.py`, for longer. It was trained on a GPU, where it takes minutes.

femo sweep experiments/femonet_large.py --data fer2013 --workdir runs --seeds 0 1 2
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

femonet = load_config(Path(__file__).with_name("femonet.py"))
config = dataclasses.replace(
    femonet,
    model_options={"widths": (128, 256, 512, 768), "dropout": 0.5},
    epochs=140,
    whitened_start=True,
    augmentation=dataclasses.replace(femonet.augmentation, rotation=15.0, scale=0.2, erasing=0.5),
)
