"""Teacher of the consistent recipes: FemoNet, 13.4 M parameters, from the labels alone, with self-distillation.

Several seeds of it are the teachers of `femo distill`. It is `teacher_13m` of the experiments without FER+ votes.
Hypothesis, not measured yet: three seeds, averaged, are more accurate than the students.

femo sweep teacher --data fer2013.zip --workdir runs --seeds 0 1 2
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
    self_distillation=0.5,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=15.0, scale=0.2, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.5
    ),
)
