import numpy as np
import pytest

from femo_jax.data import pipeline
from femo_jax.data.pipeline import choose_loader, evaluation_batches, steps_per_epoch, train_batches
from femo_jax.data.shuffle import epoch_order
from femo_jax.data.splits import Split
from femo_jax.data.tf import tf
from femo_jax.errors import ConfigError

TARGETS = np.random.default_rng(0).dirichlet(np.ones(7), 103).astype(np.float32)


@pytest.fixture(scope="module")
def numbered():
    """103 images whose top left pixel and label are their index."""
    images = np.zeros((103, 48, 48, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(103)
    return Split(images, np.arange(103, dtype=np.int32), np.arange(103).astype(str))


@pytest.fixture(params=["tfdata", "numpy"])
def loader(request):
    """Each loader."""
    return request.param


def order(split, **arguments):
    arguments = {"seed": 3, "start_step": 0, "num_steps": 30} | arguments
    return [batch["label"].tolist() for batch in train_batches(split, TARGETS, 10, **arguments)]


def test_an_epoch_holds_each_image_at_most_once(numbered, loader):
    batches = order(numbered, loader=loader)
    assert len(batches) == 30
    for epoch in range(3):
        seen = {label for batch in batches[10 * epoch : 10 * (epoch + 1)] for label in batch}
        assert len(seen) == 100


def test_images_keep_their_labels_targets_and_places(numbered, loader):
    for batch in train_batches(numbered, TARGETS, 10, seed=0, start_step=0, num_steps=10, loader=loader):
        assert batch["image"].dtype == np.uint8 and batch["image"].shape == (10, 48, 48, 1)
        np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], batch["label"])
        np.testing.assert_array_equal(batch["target"], TARGETS[batch["label"]])
        assert batch["index"].dtype == np.int32
        np.testing.assert_array_equal(batch["index"], batch["label"])


def test_epochs_and_seeds_differ_and_a_seed_repeats(numbered, loader):
    batches = order(numbered, loader=loader)
    assert batches[:10] != batches[10:20]
    assert batches == order(numbered, loader=loader)
    assert batches != order(numbered, loader=loader, seed=4)


@pytest.mark.parametrize("start", [0, 1, 9, 10, 17, 29, 30])
def test_a_run_that_starts_later_sees_what_an_unbroken_one_sees(numbered, start, loader):
    assert order(numbered, start_step=start, loader=loader) == order(numbered, loader=loader)[start:]


def test_processes_share_each_global_batch(numbered, loader):
    whole = order(numbered, loader=loader)
    shares = [order(numbered, loader=loader, process_index=index, process_count=2) for index in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == whole


def test_evaluation_counts_each_image_once_in_batches_of_one_size(numbered):
    batches = list(evaluation_batches(numbered, 25))
    assert {len(batch["label"]) for batch in batches} == {25}
    seen = np.concatenate([batch["label"][batch["mask"]] for batch in batches])
    np.testing.assert_array_equal(seen, np.arange(103))
    assert sum((~batch["mask"]).sum() for batch in batches) == 5 * 25 - 103


def test_a_batch_larger_than_the_split_is_refused():
    with pytest.raises(ConfigError, match=r"batch_size is 128.* 100 "):
        steps_per_epoch(100, 128)


def test_a_batch_that_processes_cannot_share_is_refused(numbered, loader):
    with pytest.raises(ConfigError, match="3 processes"):
        order(numbered, loader=loader, process_count=3)


@pytest.mark.parametrize(("seed", "size"), [(0, 103), (2**31 - 1, 103), (3, 100)])
def test_loaders_give_the_same_batches(numbered, seed, size):
    part = Split(*(column[:size] for column in numbered[:3]))
    arguments = {"seed": seed, "start_step": 7, "num_steps": 45, "process_index": 1, "process_count": 2}
    streams = [train_batches(part, TARGETS[:size], 10, loader=loader, **arguments) for loader in ("tfdata", "numpy")]
    count = 0
    for one, other in zip(*streams, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])
        count += 1
    assert count == 38


@pytest.mark.parametrize("size", [1, 2, 28_709])
def test_the_order_is_tensorflows(size):
    expected = tf.random.experimental.stateless_shuffle(tf.range(size, dtype=tf.int64), seed=[2**40 + 1, 7])
    np.testing.assert_array_equal(epoch_order(size, 2**40 + 1, 7), expected)


def test_no_thread_tunes_the_loader(numbered, monkeypatch):
    """An iterator that is freed would wait for it, at times for most of a minute."""
    given, with_options = [], tf.data.Dataset.with_options
    monkeypatch.setattr(
        tf.data.Dataset,
        "with_options",
        lambda dataset, options: given.append(options) or with_options(dataset, options),
    )
    assert len(order(numbered, loader="tfdata")) == 30
    assert [options.autotune.enabled for options in given] == [False]


def test_without_tensorflow_numpy_loads_and_tfdata_is_refused(monkeypatch):
    assert choose_loader("auto") == "tfdata"
    monkeypatch.setattr(pipeline, "find_spec", lambda name: None)
    assert choose_loader("auto") == "numpy"
    with pytest.raises(ConfigError, match=r"TensorFlow is not installed.*numpy"):
        choose_loader("tfdata")
