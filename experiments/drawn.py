"""The same narrow FemoNet on drawn faces, for whoever has no FER-2013 at hand: it says nothing about real faces.

femo train experiments/drawn.py --data drawn --workdir runs/drawn
"""

from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    model_options={"widths": (24, 48, 96, 192), "dropout": 0.1},
    epochs=12,
    batch_size=64,
    learning_rate=0.05,
    ema_decay=0.98,
)
