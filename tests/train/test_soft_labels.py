import numpy as np
import pytest

from femo_jax.errors import DataError
from femo_jax.train.soft_labels import load_soft_labels, save_soft_labels


@pytest.fixture
def saved(tmp_path, train_tiles):
    """A file of soft labels and what it holds."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), len(train_tiles.labels)).astype(np.float32)
    save_soft_labels(tmp_path / "soft.safetensors", train_tiles, probabilities, ["one", "two"])
    return tmp_path / "soft.safetensors", probabilities


def test_what_was_saved_is_read(saved, train_tiles):
    path, probabilities = saved
    np.testing.assert_array_equal(load_soft_labels(path, train_tiles), probabilities)


def test_those_of_other_pictures_or_in_another_order_are_refused(saved, train_tiles, validation_tiles):
    turned = train_tiles._replace(images=train_tiles.images[::-1])
    for other in (validation_tiles, turned):
        with pytest.raises(DataError, match="other pictures"):
            load_soft_labels(saved[0], other)


def test_a_missing_and_a_damaged_file_are_named(saved, tmp_path, train_tiles):
    with pytest.raises(DataError, match=r"none\.safetensors.*femo soft-labels"):
        load_soft_labels(tmp_path / "none.safetensors", train_tiles)
    saved[0].write_bytes(saved[0].read_bytes()[:50])
    with pytest.raises(DataError, match=r"soft\.safetensors"):
        load_soft_labels(saved[0], train_tiles)
