import json

import numpy as np
import pytest

from femo_jax.data.audit import audit
from femo_jax.data.load import available_splits, load_split
from femo_jax.data.splits import Split, occurs_in

ANGRY, HAPPY = 0, 3


def split_of(prefix, pairs):
    """A split from (seed of the image, label) pairs."""
    images = np.stack([np.random.default_rng(seed).integers(0, 256, (48, 48, 1), np.uint8) for seed, _ in pairs])
    names = np.array([f"{prefix}{index}" for index in range(len(pairs))])
    return Split(images, np.array([label for _, label in pairs], np.int32), names)


@pytest.fixture
def found():
    # Image 1 three times in train and twice in validation, once with another label; image 2 in all splits.
    train = split_of("train", [(1, ANGRY), (1, ANGRY), (1, HAPPY), (2, HAPPY), (3, HAPPY), (4, ANGRY)])
    train.images[4] = 0
    train.images[5] = np.random.default_rng(0).integers(126, 130, (48, 48, 1))
    validation = split_of("validation", [(1, ANGRY), (1, ANGRY), (2, HAPPY), (6, ANGRY)])
    test = split_of("test", [(2, HAPPY), (7, ANGRY)])
    return audit({"train": train, "validation": validation, "test": test})


def test_counts(found):
    assert found.images == {"train": 6, "validation": 4, "test": 2}
    assert found.distinct == 6
    assert [found.repeated(split) for split in found.images] == [2, 1, 0]
    assert (found.shared("validation", "train"), found.shared("train", "validation")) == (3, 4)
    assert (found.shared("test", "train"), found.shared("test", "validation")) == (1, 1)


def test_conflicting_labels(found):
    (group,) = found.conflicting
    assert [image.name for image in group] == ["train0", "train1", "train2", "validation0", "validation1"]
    assert [image.label for image in group] == ["angry", "angry", "happy", "angry", "angry"]


def test_blank_images_also_with_a_little_noise(found):
    assert [image.name for image in found.blank] == ["train4", "train5"]


def test_one_pixel_makes_a_difference():
    split = split_of("train", [(1, ANGRY), (1, ANGRY)])
    split.images[1, 0, 0, 0] ^= 1
    assert not audit({"train": split}).identical


def test_json(found):
    written = json.loads(json.dumps(found.as_json()))
    assert written["distinct"] == 6
    assert written["repeated"] == {"train": 2, "validation": 1, "test": 0}
    assert written["shared"]["validation"] == {"train": 3, "test": 1}
    assert written["shared"]["test"] == {"train": 1, "validation": 1}
    assert written["conflicting"] == {"groups": 1, "images": 5}
    assert written["blank"] == {"train": 2, "validation": 0, "test": 0}
    assert written["blank_images"][0] == {"split": "train", "name": "train4", "label": "happy"}
    assert [len(group) for group in written["identical_images"]] == [5, 3]


@pytest.mark.real_data
def test_facts_of_fer2013(fer2013):
    splits = {split: load_split(fer2013, split) for split in available_splits(fer2013)}
    found = audit(splits)
    occurring = occurs_in(splits["validation"].images, splits["train"].images)
    assert found.shared("validation", "train") == occurring.sum() == 280
    assert sum(image.split == "train" for image in found.blank) == 12
    assert sum(image.split == "validation" for image in found.blank) == 1
    if "test" in splits:
        assert found.distinct == 34_034
        assert found.shared("test", "train") == 288
        assert (len(found.conflicting), sum(map(len, found.conflicting))) == (57, 160)
