"""What belongs to femo's training beside the compared step, each alone, and the peak of the machine."""

from functools import partial
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
from train_step_setting import BATCH_SIZE, CLASSES, SIZE, Prepared

from femo_jax.data.pipeline import train_batches
from femo_jax.data.splits import Split
from femo_jax.models import create_model
from femo_jax.ops import Ops, choose, conv2d
from femo_jax.train.augment import Augmentation, augment
from femo_jax.train.config import TrainConfig
from femo_jax.train.devices import keep_freed_memory
from femo_jax.train.optimizer import create_optimizer, create_schedule
from femo_jax.train.state import create_train_state
from femo_jax.train.steps import train_step
from femo_jax.train.targets import smooth_targets

TRAINING_IMAGES = 28_709  # of FER-2013

FACTOR = (8, 32, 32, 2048)
"""Images whose 1x1 convolution to as many channels is a product of 8,192 x 2,048 with 2,048 x 2,048 numbers; a little
faster than 32 images with 1,024 channels."""


def prepare_full_step(ops: Ops, dtype: str) -> Prepared:
    """`femo_jax.train.steps.train_step` of FemoNet with its default configuration: with augmentation, EMA, metrics."""
    keep_freed_memory()
    choice = choose(ops, dtype)
    config = TrainConfig(dtype=dtype)  # pyright: ignore[reportArgumentType]
    model = create_model(config.model, ops=choice.implementation).clone(dtype=jnp.dtype(dtype))
    optimizer = create_optimizer(config, create_schedule(config, TRAINING_IMAGES // BATCH_SIZE))
    state = create_train_state(jax.random.key(0), model, optimizer)
    step = jax.jit(partial(train_step, config=config), donate_argnums=0)
    split = _drawn_split(BATCH_SIZE)
    batch = {
        "image": jnp.asarray(split.images),
        "label": jnp.asarray(split.labels),
        "target": smooth_targets(jnp.asarray(split.labels), config.label_smoothing, 7),
    }
    weights, key = jnp.ones(CLASSES), jax.random.key(config.seed)

    def run(steps: int) -> float:
        nonlocal state
        for _ in range(steps):
            state = step(state, batch, weights, key)
        return float(jax.block_until_ready(state).metrics.compute()["loss"])

    return Prepared(run, versions={"jax": version("jax")})


def prepare_augmentation() -> Prepared:
    """Augmentation alone, with its default strengths, of a batch in memory."""
    images = jnp.asarray(_drawn_split(BATCH_SIZE).images)

    @jax.jit
    def changed(key: jax.Array) -> jax.Array:
        return augment(key, images.astype(jnp.float32) / 255.0, Augmentation())

    def run(steps: int) -> float:
        for number in range(steps):
            result = changed(jax.random.key(number))
        return float(result.mean())

    return Prepared(run)


def prepare_pipeline() -> Prepared:
    """The tf.data pipeline alone, from as many images as FER-2013 has for training."""
    from femo_jax.data.tf import tf  # takes seconds, which the other parts need not wait for

    split = _drawn_split(TRAINING_IMAGES)
    targets = np.asarray(smooth_targets(jnp.asarray(split.labels), 0.0, 7))
    batches = train_batches(split, targets, BATCH_SIZE, seed=0, start_step=0, num_steps=np.iinfo(np.int64).max)

    def run(steps: int) -> float:
        for _ in range(steps):
            batch = next(batches)
        return float(batch["label"].mean())

    return Prepared(run, versions={"tensorflow": tf.__version__})


def prepare_peak(dtype: str) -> Prepared:
    """A large matrix product by oneDNN, as a 1x1 convolution.

    femo's extension has no product of its own, and such a convolution is one: of all pixels' channels with the kernel.

    Raises:
      ConfigError: oneDNN is not to be had, or not in this dtype.
    """
    choose("onednn", dtype)
    x = jnp.ones(FACTOR, dtype)
    kernel = jnp.ones((1, 1, FACTOR[-1], FACTOR[-1]), jnp.float32)
    multiply = jax.jit(lambda x, kernel: conv2d(x, kernel, implementation="onednn"))

    def run(steps: int) -> float:
        for _ in range(steps):
            result = multiply(x, kernel)
        return float(jax.block_until_ready(result)[0, 0, 0, 0])

    return Prepared(run, gflop=2 * x.size * FACTOR[-1] / 1e9)


def _drawn_split(size: int) -> Split:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (size, SIZE, SIZE, 1), np.uint8)
    labels = generator.integers(0, CLASSES, size, np.int32)
    return Split(images, labels, np.array([""] * size))
