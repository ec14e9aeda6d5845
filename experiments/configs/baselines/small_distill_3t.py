"""FemoNet, 1.0 M parameters, distilled from three runs of `ferplus_self_distill`.

The soft labels were made by `femo soft-labels` from those three runs; of the first, with the float16 weights that
shipped before femonet-base, without their temperature.

femo sweep experiments/configs/baselines/small_distill_3t.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (32, 64, 128, 224)},
    dtype="bfloat16",
    epochs=80,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.014,
    weight_decay=0.05,
    ferplus_weight=0.25,
    soft_labels="soft_labels_3t.safetensors",
    distillation_weight=0.5,
    augmentation=Augmentation(
        rotation=10.0, scale=0.1, translation=3.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
