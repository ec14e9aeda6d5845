"""FemoNet, 4.8 M parameters, distilled from four teachers that are larger or were trained for longer.

Hypothesis: better teachers make better students. Three quarters of each target come from the teachers, a quarter is
the label; no votes of FER+, from which the teachers learned.

femo sweep experiments/configs/baselines/distill_4t.py --data fer2013 --workdir runs --seeds 0
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (96, 192, 320, 416)},
    dtype="bfloat16",
    epochs=100,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    soft_labels="soft_labels_4t.safetensors",
    distillation_weight=0.75,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
