"""Mini-Xception, the field's reference of 57 k parameters (arXiv:1710.07557).

femo train experiments/mini_xception.py --data fer2013.zip --workdir runs/mini_xception --cpu-devices 2

Measured: 54.78 % of PublicTest (55.81 % with the mirror image), 20 minutes on two busy cores. Eight epochs are far from
its limit: the authors report 66 %.
"""

from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="mini_xception",
    epochs=8,
    learning_rate=0.1,
    weight_decay=1e-4,
    label_smoothing=0.0,
    ema_decay=0.998,
)
