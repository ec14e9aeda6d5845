"""The four-block CNN that most FER-2013 projects start from: 1.0 M parameters.

femo train experiments/simple_cnn.py --data fer2013.zip --workdir runs/simple_cnn --cpu-devices 2
"""

from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model="simple_cnn",
    model_options={"dropout": 0.3},
    epochs=16,
    learning_rate=0.05,
    ema_decay=0.998,
)
