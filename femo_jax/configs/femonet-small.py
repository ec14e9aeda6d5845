"""Recipe of the shipped model femonet-small: FemoNet, 0.98 M parameters, distilled from six teachers for 160 epochs.

The teachers are those of femonet-base. Early stages are wide and late ones narrow.

femo train femonet-small --data fer2013.zip --workdir runs/femonet-small/seed0
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (48, 96, 160, 160)},
    dtype="bfloat16",
    epochs=160,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.014,
    weight_decay=0.05,
    soft_labels="soft_labels_6t.safetensors",
    distillation_weight=0.75,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
