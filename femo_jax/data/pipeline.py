"""From a split in memory to batches: seeded, resumable at any step, each evaluation image exactly once."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Literal, TypedDict, cast

import numpy as np

from femo_jax.data.shuffle import epoch_order
from femo_jax.data.splits import Split
from femo_jax.errors import ConfigError

Loader = Literal["auto", "tfdata", "numpy"]
"""What loads training batches: tf.data or NumPy, which give the same; auto takes tf.data where it is installed."""


class Batch(TypedDict):
    """Fields of every batch: `image [b, 48, 48, 1] uint8`, `label [b] int32`."""

    image: np.ndarray
    label: np.ndarray


class TrainBatch(Batch):
    """A training batch, with `target [b, c] float32`, the distribution over the classes that is learned, or the part
    of it that does not come from teachers in the training step, and `index [b] int32`, the positions of the images in
    their split.
    """

    target: np.ndarray
    index: np.ndarray


class MaskedBatch(Batch):
    """An evaluation batch: the last one is padded, and `mask [b] bool` is False for padding."""

    mask: np.ndarray


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Number of whole batches in an epoch; the images left over are dropped, different ones in each epoch.

    Raises:
      ConfigError: the split is smaller than one batch.
    """
    if size < batch_size:
        raise ConfigError(
            f"batch_size is {batch_size}, but the training split has {size} images."
            " Choose a smaller batch size or more data."
        )
    return size // batch_size


def train_batches(
    split: Split,
    targets: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    start_step: int,
    num_steps: int,
    process_index: int = 0,
    process_count: int = 1,
    loader: Loader = "auto",
) -> Iterator[TrainBatch]:
    """Yields the batches of steps `start_step` .. `num_steps - 1`, shuffled again in each epoch.

    `targets [n, c] float32` go with the images of the split.

    The order of an epoch depends only on the seed and the number of the epoch, so a resumed run gets the same
    batches as an uninterrupted one, whatever loads them. With several processes each gets its equal share of
    every global batch.

    Raises:
      ConfigError: the split is smaller than one batch, the batch does not divide among the processes, or TensorFlow was
        asked for and is not installed.
    """
    per_epoch = steps_per_epoch(len(split.labels), batch_size)
    if batch_size % process_count:
        raise ConfigError(f"batch_size is {batch_size}: not divisible by {process_count} processes")
    share = batch_size // process_count
    rows = slice(process_index * share, (process_index + 1) * share)
    columns = {"image": split.images, "label": split.labels, "target": targets}
    load = _tfdata_batches if choose_loader(loader) == "tfdata" else _numpy_batches
    yield from load(columns, rows, per_epoch, batch_size, seed, start_step, num_steps)


def choose_loader(loader: Loader) -> Literal["tfdata", "numpy"]:
    """The loader that `auto` stands for here: tf.data where TensorFlow is installed.

    Raises:
      ConfigError: tf.data was asked for, and TensorFlow is not installed.
    """
    installed = find_spec("tensorflow") is not None
    if loader == "tfdata" and not installed:
        raise ConfigError("loader is tfdata, but TensorFlow is not installed: pip install 'femo-jax[train]', or numpy")
    return "tfdata" if loader == "tfdata" or (loader == "auto" and installed) else "numpy"


def _numpy_batches(
    columns: Mapping[str, np.ndarray],
    rows: slice,
    per_epoch: int,
    batch_size: int,
    seed: int,
    start_step: int,
    num_steps: int,
) -> Iterator[TrainBatch]:
    size = len(columns["label"])
    order = np.zeros(0, np.int64)
    for step in range(start_step, num_steps):
        epoch, batch = divmod(step, per_epoch)
        if step == start_step or batch == 0:
            order = epoch_order(size, seed, epoch)
        mine = order[batch * batch_size : (batch + 1) * batch_size][rows]
        gathered = {name: column[mine] for name, column in columns.items()}
        yield cast(TrainBatch, gathered | {"index": mine.astype(np.int32)})


def _tfdata_batches(
    columns: Mapping[str, np.ndarray],
    rows: slice,
    per_epoch: int,
    batch_size: int,
    seed: int,
    start_step: int,
    num_steps: int,
) -> Iterator[TrainBatch]:
    # TensorFlow takes seconds to import, and evaluation does not need it.
    from femo_jax.data.tf import tf

    size = len(columns["label"])
    tensors = {name: tf.constant(column) for name, column in columns.items()}

    @tf.autograph.experimental.do_not_convert
    def epoch_indices(epoch):
        order = tf.random.experimental.stateless_shuffle(  # pyright: ignore[reportAttributeAccessIssue]
            tf.range(size, dtype=tf.int64), seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

    @tf.autograph.experimental.do_not_convert
    def gather(indices):
        mine = indices[rows]
        return {name: tf.gather(tensor, mine) for name, tensor in tensors.items()} | {"index": tf.cast(mine, tf.int32)}

    first_epoch, skipped = divmod(start_step, per_epoch)
    dataset = (
        tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
        .flat_map(epoch_indices)
        .skip(skipped)
        .take(num_steps - start_step)
        .map(gather, num_parallel_calls=1, deterministic=True)
        .prefetch(4)
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # leaves the cores to the training step
    options.deterministic = True
    # There is nothing to tune. An iterator that is freed waits for the thread that tunes, which at times misses the
    # request to end and sleeps on, for up to a minute.
    options.autotune.enabled = False
    yield from cast(Iterator[TrainBatch], dataset.with_options(options).as_numpy_iterator())


def evaluation_batches(split: Split, batch_size: int) -> Iterator[MaskedBatch]:
    """Yields the split in its order in batches of one size; the last one is padded, with mask False."""
    for start in range(0, len(split.labels), batch_size):
        indices = np.arange(start, start + batch_size)
        mask = indices < len(split.labels)
        indices = np.where(mask, indices, start)
        yield {"image": split.images[indices], "label": split.labels[indices], "mask": mask}
