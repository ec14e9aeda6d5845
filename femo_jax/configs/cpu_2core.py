"""FemoNet, 2.6 M parameters, distilled from six teachers: 70 % accuracy in little more than an hour on two CPU cores?

Hypothesis not confirmed: 69.91 % on PublicTest after 69 minutes, four images below target. `cpu_2core_wide_stem`
reached it.

femo train cpu_2core --data fer2013.zip --workdir runs/cpu_2core
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    dtype="bfloat16",
    epochs=90,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    soft_labels="soft_labels_6t.safetensors",
    distillation_weight=0.75,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
