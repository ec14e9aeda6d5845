"""FemoNet of less than a million parameters, for small robots. It learns from what FemoNet says of the same pictures.

femo soft-labels runs/femonet/seed0 --data fer2013 -o femonet-soft-labels.safetensors
femo sweep experiments/femonet_small.py --data fer2013 --workdir runs --seeds 0 1 2
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
    soft_labels="femonet-soft-labels.safetensors",
    soft_label_share=0.5,
    augmentation=Augmentation(
        rotation=10.0, scale=0.1, translation=3.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
