"""Smoke test: a narrow FemoNet for two epochs of FER-2013, in about a minute on two CPU cores.

On PublicTest 49.57 % after 76 seconds.

femo train smoke --data fer2013.zip --workdir runs/smoke
"""

from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (24, 48, 96, 192), "dropout": 0.1},
    epochs=2,
    warmup_epochs=0.5,
    ema_decay=0.99,
)
