"""FemoNet of less than a million parameters. It learns from what three FemoNets say of its pictures.

Their answers are in `results/femonet/soft_labels.safetensors`, so that the three need not be trained for it. Of the
first, the float16 weights that shipped before were asked, without their temperature. Made anew from three runs:

femo soft-labels runs/femonet/seed0 runs/femonet/seed1 runs/femonet/seed2 --data fer2013 -o FILE

femo sweep experiments/femonet_small.py --data fer2013 --workdir runs --seeds 0 1 2

One FemoNet teaches as much, `--grid soft_labels=femonet-soft-labels.safetensors`; the file of those runs is lost.
"""

from femo_jax.data.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (32, 64, 128, 224)},
    dtype="bfloat16",
    epochs=80,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.014,
    weight_decay=0.05,
    vote_share=0.25,
    soft_labels="experiments/results/femonet/soft_labels.safetensors",
    soft_label_share=0.5,
    augmentation=Augmentation(
        rotation=10.0, scale=0.1, translation=3.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
