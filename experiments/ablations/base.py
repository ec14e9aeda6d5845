"""What each ablation changes one thing of: a FemoNet of a million parameters, 12 epochs with Muon.

Pictures are mirrored and shifted, and no more: in so few epochs the network is far from knowing them by heart.

femo soft-labels runs/femonet/seed0 --data FER2013_WITH_VOTES -o femonet-soft-labels.safetensors
femo sweep experiments/ablations/*.py --data FER2013_WITH_VOTES --workdir runs/ablations
"""

from femo_jax.data.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (32, 64, 128, 224)},
    dtype="bfloat16",
    epochs=12,
    optimizer="muon",
    learning_rate=0.01,
    weight_decay=0.05,
    augmentation=Augmentation(rotation=0.0, scale=0.0, translation=3.0, brightness=0.0, contrast=0.0),
)
