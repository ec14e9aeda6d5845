"""FemoNet of 2.6 million parameters, which has no teacher but itself.

Blur, noise and erased rectangles make it see faces as a camera shows them; `results.md` says what that is worth.

femo sweep experiments/femonet.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.data.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    dtype="bfloat16",
    epochs=80,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    vote_share=0.5,
    self_distillation=0.5,
    augmentation=Augmentation(
        rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
