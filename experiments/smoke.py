"""A narrow FemoNet for two epochs: does everything work, on the real data, in about a minute?

femo train experiments/smoke.py --data fer2013.zip --workdir runs/smoke --cpu-devices 2

Measured: 49.57 % of PublicTest, 76 seconds on two cores.
"""

from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (24, 48, 96, 192), "dropout": 0.1},
    epochs=2,
    warmup_epochs=0.5,
    ema_decay=0.99,
)
