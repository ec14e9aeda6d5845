"""FemoNet, 13.4 M parameters, one of the kinds of teacher of the shipped models; it has no teacher itself.

FER+'s votes, self-distillation, strong augmentation and much dropout, for 140 epochs. Trained on a GPU.

femo sweep experiments/configs/baselines/teacher_13m.py --data fer2013 --workdir runs --seeds 0 1 2
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (128, 256, 512, 768), "dropout": 0.5},
    dtype="bfloat16",
    epochs=140,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    ferplus_weight=0.5,
    self_distillation=0.5,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=15.0, scale=0.2, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.5
    ),
)
