"""FemoNet, 1.0 M parameters, without a teacher: half of each target from FER+'s votes, and self-distillation.

femo sweep experiments/configs/baselines/small_ferplus_self_distill.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (32, 64, 128, 224)},
    dtype="bfloat16",
    epochs=30,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.014,
    weight_decay=0.05,
    ferplus_weight=0.5,
    self_distillation=0.5,
    augmentation=Augmentation(rotation=10.0, scale=0.1, translation=3.0, brightness=0.1, contrast=0.2, erasing=0.25),
)
