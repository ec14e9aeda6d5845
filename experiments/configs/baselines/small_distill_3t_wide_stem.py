"""FemoNet, 0.98 M parameters with wide early and narrow late stages, distilled from three teachers.

Hypothesis: this spends a million parameters better than `small_distill_3t`. The first layer starts whitened, and it
trains for three quarters of the epochs.

femo sweep experiments/configs/baselines/small_distill_3t_wide_stem.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (48, 96, 160, 160)},
    dtype="bfloat16",
    epochs=60,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.014,
    weight_decay=0.05,
    ferplus_weight=0.25,
    soft_labels="soft_labels_3t.safetensors",
    distillation_weight=0.5,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=10.0, scale=0.1, translation=3.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
