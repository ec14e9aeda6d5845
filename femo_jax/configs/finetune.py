"""Fine-tuning of a shipped model: few epochs, a low learning rate that falls towards the first layers.

For a few hundred to a few thousand images. `--init small` starts from the smaller model, `--init FILE` from another.

femo train finetune --data prepared --workdir runs/finetune
"""

from femo_jax.train.config import Augmentation, TrainConfig

config = TrainConfig(
    model="femonet",
    init="default",
    epochs=8,
    batch_size=32,
    eval_batch_size=128,
    optimizer="adamw",
    learning_rate=5e-4,
    weight_decay=0.05,
    head_lr_multiplier=2.0,
    layer_lr_decay=0.8,
    ema_decay=0.99,
    augmentation=Augmentation(rotation=10.0, scale=0.15, translation=4.0, brightness=0.1, contrast=0.2, erasing=0.25),
)
