"""FemoNet, 2.6 M parameters, without a teacher: half of each target from FER+'s votes, and self-distillation.

Needs data prepared with FER+'s votes; without them add `--ferplus-weight 0`.

femo data prepare fer2013.csv --ferplus fer2013new.csv --data-dir fer2013
femo train ferplus_self_distill --data fer2013 --workdir runs/ferplus_self_distill
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
    ferplus_weight=0.5,
    self_distillation=0.5,
    augmentation=Augmentation(
        rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.25
    ),
)
