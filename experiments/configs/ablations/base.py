"""Base of the ablations: FemoNet, 1.0 M parameters, 12 epochs with Muon, augmented by flips and shifts alone.

Each other file here changes one thing. In 12 epochs the network is far from memorising the training set, so that
effects on overfitting do not show.

femo sweep experiments/configs/ablations/*.py --data fer2013 --workdir runs/ablations --seeds 0
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (32, 64, 128, 224)},
    dtype="bfloat16",
    epochs=12,
    optimizer="muon",
    learning_rate=0.01,
    weight_decay=0.05,
    augmentation=Augmentation(rotation=0.0, scale=0.0, translation=3.0, brightness=0.0, contrast=0.0),
)
