import json

import numpy as np
import pytest
from safetensors.numpy import save

from femo_jax.data.splits import digest_of
from femo_jax.emotions import EMOTIONS
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
        with pytest.raises(DataError, match="other images"):
            load_soft_labels(saved[0], other)


def test_a_missing_and_a_damaged_file_are_named(saved, tmp_path, train_tiles):
    with pytest.raises(DataError, match=r"none\.safetensors.*femo soft-labels"):
        load_soft_labels(tmp_path / "none.safetensors", train_tiles)
    saved[0].write_bytes(saved[0].read_bytes()[:50])
    with pytest.raises(DataError, match=r"soft\.safetensors"):
        load_soft_labels(saved[0], train_tiles)


def write(path, split, probabilities, **more):
    metadata = {"pictures": digest_of(split.images), "classes": json.dumps(EMOTIONS), "models": "[]", **more}
    path.write_bytes(save({"probabilities": probabilities}, metadata))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p * 0.5, "96 of 96 soft labels are not probabilities, first in row 0"),
        (lambda p: p * 4, "not probabilities"),
        (lambda p: np.where(np.arange(7) == 1, np.nan, p), "not probabilities"),
        (lambda p: np.where(np.arange(7) == 1, np.inf, p), "not probabilities"),
        (lambda p: p + np.array([-2, 2, 0, 0, 0, 0, 0]), "not probabilities"),
        (lambda p: p.astype(np.float64), "float64 of shape"),
        (lambda p: p[:, :6], r"shape \(96, 6\), expected float32 of shape \(96, 7\)"),
        (lambda p: p[:5], r"shape \(5, 7\)"),
    ],
)
def test_values_that_are_not_probabilities_are_refused(saved, tmp_path, train_tiles, change, said):
    changed = change(saved[1])
    dtype = changed.dtype if "float64 of" in said else np.float32
    write(tmp_path / "bad.safetensors", train_tiles, np.ascontiguousarray(changed.astype(dtype)))
    with pytest.raises(DataError, match=said):
        load_soft_labels(tmp_path / "bad.safetensors", train_tiles)


def test_a_file_of_an_older_version_without_a_digest_is_read(saved, tmp_path, train_tiles):
    write(tmp_path / "old.safetensors", train_tiles, saved[1])
    np.testing.assert_array_equal(load_soft_labels(tmp_path / "old.safetensors", train_tiles), saved[1])


def test_values_that_changed_after_the_digest_are_refused(saved, tmp_path, train_tiles):
    write(tmp_path / "flipped.safetensors", train_tiles, saved[1][:, ::-1].copy(), sha256=digest_of(saved[1]))
    with pytest.raises(DataError, match="the digest does not match"):
        load_soft_labels(tmp_path / "flipped.safetensors", train_tiles)
