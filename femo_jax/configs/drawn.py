"""A narrow FemoNet on drawn faces, to try training without FER-2013. Its accuracy means nothing for real faces.

femo train drawn --data drawn --workdir runs/drawn
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
