"""FemoNet, 2.6 M parameters, distilled from three runs of `ferplus_self_distill`, networks of its own architecture.

Hypothesis: the student is better than its teachers (born-again networks, arXiv:1805.04770).

femo sweep experiments/configs/baselines/distill_3t.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    dtype="bfloat16",
    epochs=80,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    ferplus_weight=0.25,
    soft_labels="soft_labels_3t.safetensors",
    distillation_weight=0.5,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
