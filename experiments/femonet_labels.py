"""FemoNet from FER-2013's labels alone, in float32 through XLA: where the climb to `femonet.py` began.

femo train experiments/femonet_labels.py --data fer2013.zip --workdir runs/femonet_labels/seed0 --cpu-devices 2

Measured: 65.98 % of PublicTest (66.31 % with the mirror image), 57 minutes on two busy cores, about 140 s an epoch.
"""

from femo_jax.data.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="femonet",
    epochs=24,
    learning_rate=0.1,
    weight_decay=5e-4,
    label_smoothing=0.1,
    ema_decay=0.998,
    augmentation=Augmentation(rotation=10.0, scale=0.1, translation=3.0, brightness=0.1, contrast=0.2),
)
