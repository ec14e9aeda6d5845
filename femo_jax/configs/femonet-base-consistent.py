"""FemoNet, 4.8 M parameters, distilled from teachers on its own augmented and mixed view of each image.

The labels are not used. Teachers that see the same view, mixup and a long schedule are the recipe of Beyer et al. 2021
(arXiv:2106.05237). Hypothesis, not measured yet: better than `femonet-base`, whose soft labels are those of unchanged
images. As it stands the teacher is the shipped default model; `femo distill` trains teachers first, from public data.

femo distill femonet-base-consistent --data fer2013.zip --workdir runs/consistent
femo train femonet-base-consistent --data fer2013.zip --workdir runs/femonet-base-consistent
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (96, 192, 320, 416)},
    dtype="bfloat16",
    epochs=300,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    teachers=("default",),
    distillation_weight=1.0,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=15.0,
        scale=0.2,
        translation=4.0,
        brightness=0.1,
        contrast=0.2,
        blur=1.0,
        noise=0.04,
        erasing=0.5,
        mixup=1.0,
    ),
)
