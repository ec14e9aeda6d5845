import numpy as np
import pytest

from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.evaluate.classes import match_classes, restricted

EIGHT = (*EMOTIONS, "contempt")


def split_of(class_names, labels):
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.ones((1, 48, 48, 1), np.uint8)
    return Split(images, np.array(labels, np.int32), np.array([str(i) for i in range(len(labels))]), None, class_names)


def test_the_same_classes_in_another_order_and_under_other_names():
    matched = match_classes(("happy", "sad"), split_of(("Sadness", "joy"), [0, 1, 1]))
    assert matched.split.labels.tolist() == [1, 0, 0] and matched.split.class_names == ("happy", "sad")
    assert not matched.only_model and not matched.only_data and not matched.left_out


def test_eight_classes_on_seven_and_seven_on_eight():
    on_seven = match_classes(EIGHT, split_of(EMOTIONS, [0, 6]))
    assert on_seven.only_model == ("contempt",) and on_seven.common.tolist() == list(range(7))
    on_eight = match_classes(EMOTIONS, split_of(EIGHT, [0, 7, 7, 6]))
    assert on_eight.only_data == ("contempt",) and on_eight.left_out == 2
    assert on_eight.split.labels.tolist() == [0, 6] and on_eight.split.names.tolist() == ["0", "3"]


def test_fewer_than_two_classes_in_common_are_refused():
    with pytest.raises(ConfigError, match="at least two in common"):
        match_classes(EMOTIONS, split_of(("happy", "bored"), [0, 1]))


def test_probabilities_over_some_classes_sum_to_one():
    probabilities, labels = restricted(np.array([[0.5, 0.2, 0.3], [1.0, 0.0, 0.0]]), np.array([1, 2]), np.array([1, 2]))
    np.testing.assert_allclose(probabilities, [[0.4, 0.6], [0.5, 0.5]])
    assert labels.tolist() == [0, 1]
