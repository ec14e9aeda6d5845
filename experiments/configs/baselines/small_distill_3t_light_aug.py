"""FemoNet, 1.0 M parameters, distilled from three teachers with flips and shifts as the only augmentation.

Hypothesis: with soft labels, light augmentation gives the same accuracy in half the epochs. Steps are of half as many
images as in `small_distill_3t`, and the first layer starts whitened.

femo sweep experiments/configs/baselines/small_distill_3t_light_aug.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (32, 64, 128, 224)},
    dtype="bfloat16",
    epochs=36,
    batch_size=128,
    optimizer="muon",
    learning_rate=0.01,
    weight_decay=0.05,
    ferplus_weight=0.25,
    soft_labels="soft_labels_3t.safetensors",
    distillation_weight=0.5,
    whitening_init=True,
    augmentation=Augmentation(rotation=0.0, scale=0.0, translation=3.0, brightness=0.0, contrast=0.0),
)
