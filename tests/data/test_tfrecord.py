"""Records and examples are those of TensorFlow, byte by byte where its format says so."""

import numpy as np
import pytest

from femo_jax.data.tf import tf
from femo_jax.data.tfrecord import DamagedRecordError, decode_example, encode_example, read_records, write_records


def _blocks(count):
    """Blocks of all lengths from the shortest on, in disorder, and one that is long."""
    rng = np.random.default_rng(0)
    return [rng.bytes(length) for length in rng.permutation(np.arange(4, 4 + count))] + [rng.bytes(70_000)]


@pytest.mark.parametrize("count", [0, 37, 5000])
def test_files_are_those_of_tensorflow(tmp_path, count):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    blocks = _blocks(37) * (count // 37)
    with ours.open("wb") as file:
        assert sum(1 for _ in write_records(file, blocks)) == len(blocks)
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for block in blocks:
            writer.write(block)
    assert ours.read_bytes() == theirs.read_bytes()
    assert read_records(theirs) == blocks


def test_examples_are_those_of_tensorflow():
    features = {"image": [b"\x89PNG" * 90], "label": [6], "name": ["é.jpg".encode()], "votes": [0, 10, 300, 2**62]}
    theirs = tf.train.Example.FromString(encode_example(features)).features.feature
    assert list(theirs["image"].bytes_list.value) == features["image"]
    assert list(theirs["votes"].int64_list.value) == features["votes"]
    example = tf.train.Example()
    for name, values in features.items():
        kind = "bytes_list" if isinstance(values[0], bytes) else "int64_list"
        getattr(example.features.feature[name], kind).value.extend(values)
    assert decode_example(example.SerializeToString()) == features


def test_a_list_that_is_not_packed_or_is_empty():
    assert decode_example(b"\x0a\x0d\x0a\x0b\x0a\x01v\x12\x06\x1a\x04\x08\x05\x08\x07") == {"v": [5, 7]}
    assert decode_example(b"\x0a\x05\x0a\x03\x0a\x01v") == {"v": []}


@pytest.mark.parametrize("length", range(60))
def test_an_example_that_is_cut_off(length):
    whole = encode_example({"image": [b"12345678"], "label": [3], "name": [b"train/angry/1.jpg"]})
    assert len(whole) > 60
    try:
        assert decode_example(whole[:length]) == {}
    except DamagedRecordError:
        return
    assert length == 0


@pytest.mark.parametrize("data", [b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x0f", b"\x08\x01", b"PNG\x00\xff"])
def test_bytes_that_are_no_example(data):
    with pytest.raises(DamagedRecordError):
        decode_example(data)
