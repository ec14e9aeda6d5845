"""FemoNet of less than a million parameters, for small robots, taught by the six teachers of `femonet_taught.py`.

Wide early stages and narrow late ones, as in `femonet_small_wide_stem.py`.

femo sweep experiments/femonet_small_taught.py --data fer2013 --workdir runs --seeds 0 1 2
"""

import dataclasses
from pathlib import Path

from femo_jax.train.config import load_config

wide_stem = load_config(Path(__file__).with_name("femonet_small_wide_stem.py"))
config = dataclasses.replace(
    wide_stem,
    epochs=160,
    vote_share=0.0,
    soft_labels="experiments/results/soft_labels/six.safetensors",
    soft_label_share=0.75,
    augmentation=dataclasses.replace(wide_stem.augmentation, scale=0.15, translation=4.0),
)
