"""FemoNet, 0.98 M parameters, distilled from teachers on its own augmented and mixed view of each image.

The labels are not used. Teachers that see the same view, mixup and a long schedule are the recipe of Beyer et al. 2021
(arXiv:2106.05237). Hypothesis, not measured yet: better than `femonet-small`, whose soft labels are those of unchanged
images. As it stands the teacher is the shipped default model; `femo distill` trains teachers first, from public data.

femo distill femonet-small-consistent --data fer2013.zip --workdir runs/consistent
femo train femonet-small-consistent --data fer2013.zip --workdir runs/femonet-small-consistent
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (48, 96, 160, 160)},
    dtype="bfloat16",
    epochs=300,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.014,
    weight_decay=0.05,
    teachers=("default",),
    distillation_weight=1.0,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=10.0,
        scale=0.15,
        translation=4.0,
        brightness=0.1,
        contrast=0.2,
        blur=1.0,
        noise=0.04,
        erasing=0.25,
        mixup=1.0,
    ),
)
