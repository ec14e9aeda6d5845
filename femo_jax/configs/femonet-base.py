"""Recipe of the shipped model femonet-base: FemoNet, 4.8 M parameters, distilled from six teachers for 220 epochs.

Three quarters of each training target come from the teacher ensemble, whose soft labels for the training split are in
`soft_labels_6t.safetensors`; a quarter is the label. Many epochs of strong augmentation suit distillation
(Beyer et al. 2021, arXiv:2106.05237). The soft labels belong to the images of Kaggle's zip, in its order.

femo train femonet-base --data fer2013.zip --workdir runs/femonet-base/seed0
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (96, 192, 320, 416)},
    dtype="bfloat16",
    epochs=220,
    batch_size=256,
    optimizer="muon",
    learning_rate=0.02,
    weight_decay=0.05,
    soft_labels="soft_labels_6t.safetensors",
    distillation_weight=0.75,
    whitening_init=True,
    augmentation=Augmentation(
        rotation=15.0, scale=0.2, translation=4.0, brightness=0.1, contrast=0.2, blur=1.0, noise=0.04, erasing=0.5
    ),
)
