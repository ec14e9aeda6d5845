from collections import Counter

import numpy as np
import pytest

from femo_jax.data.ferplus import CLASSES, VOTES, load_ferplus, majority, vote_shares
from femo_jax.data.splits import Face
from femo_jax.emotions import Emotion
from femo_jax.errors import DataError

ORIGINAL = """\
Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF
Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0
Training,,0,0,0,0,0,0,0,0,0,10
PublicTest,fer0000001.png,6,0,1,1,0,0,0,0,2,0
"""

KEYED = """\
name,usage,csv_row,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF,has_ferplus
train/angry/Training_5.jpg,Training,1,4,0,0,1,3,2,0,0,0,0,1
train/angry/Training_6.jpg,Training,-1,0,0,0,0,0,0,0,0,0,0,0
"""


def face(name="row_00000000", row=None, split="train"):
    return Face(np.zeros((48, 48), np.uint8), Emotion.ANGRY, split, name, row)


def test_order_of_the_votes():
    assert len(VOTES) == 10
    assert VOTES[:3] == ("neutral", "happiness", "surprise")
    assert VOTES[-1] == "not-a-face"


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], "no majority"),  # 4 of 9: the single vote does not count
        ([5, 0, 0, 1, 2, 2, 0, 0, 0, 0], "neutral"),  # 5 of 9
        ([4, 0, 0, 0, 4, 0, 0, 0, 0, 0], "no majority"),  # a half is no majority
        ([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], "no majority"),
        ([1, 1, 0, 0, 0, 0, 0, 2, 0, 0], "contempt"),
        ([4, 0, 0, 0, 0, 0, 0, 0, 6, 0], "unknown"),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], "not-a-face"),
        ([0] * 10, "no votes"),
    ],
)
def test_the_majority_is_that_of_ferplus(votes, expected):
    assert majority(np.array(votes, np.uint8)) == expected


def test_shares_of_the_votes_are_those_that_count():
    shares = vote_shares(np.array([[5, 0, 0, 1, 3, 0, 0, 2, 0, 0], [0, 9, 0, 0, 0, 0, 0, 0, 1, 0]], np.uint8))
    expected = {"neutral": 0.5, "angry": 0.3, "contempt": 0.2}
    assert shares[0] == pytest.approx([expected.get(name, 0.0) for name in CLASSES])
    assert shares.dtype == np.float32 and shares[1].tolist() == [name == "happy" for name in CLASSES]


def test_ferplus_own_file_is_read_by_row(tmp_path):
    path = tmp_path / "fer2013new.csv"
    path.write_text(ORIGINAL)
    votes = load_ferplus(path)
    assert votes.of(face(row=0)).tolist() == [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]
    assert votes.of(face(row=1)).tolist() == [0] * 9 + [10]
    assert votes.of(face(row=2)).dtype == np.uint8
    votes.check_covers([face(row=0), face(row=2, split="validation")])


def test_a_keyed_file_is_read_by_name_and_by_row(tmp_path):
    path = tmp_path / "ferplus.csv"
    path.write_text(KEYED)
    votes = load_ferplus(path)
    assert set(votes.by_row) == {1}
    expected = [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]
    assert votes.of(face("train/angry/Training_5.jpg")).tolist() == expected
    assert votes.of(face(row=1)).tolist() == expected
    for without in (face("train/angry/Training_6.jpg"), face("train/angry/Training_7.jpg"), face(row=0)):
        assert votes.of(without).tolist() == [0] * 10


def test_votes_of_another_order_are_refused(tmp_path):
    path = tmp_path / "fer2013new.csv"
    path.write_text(ORIGINAL)
    with pytest.raises(DataError, match="row 2 belongs to validation, but that row of the csv to train"):
        load_ferplus(path).check_covers([face(row=0), face(row=2)])


def test_ferplus_own_file_does_not_fit_folders(tmp_path):
    path = tmp_path / "fer2013new.csv"
    path.write_text(ORIGINAL)
    with pytest.raises(DataError, match="votes for none of the images"):
        load_ferplus(path).check_covers([face("train/angry/Training_5.jpg")])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ORIGINAL.replace(",contempt", ""), "column contempt is missing"),
        (ORIGINAL.replace("10\n", "11\n"), "line 3: votes"),
        (ORIGINAL.replace(",6,", ",six,"), "line 4: invalid literal"),
        (ORIGINAL.replace("PublicTest", "Public"), "line 4: 'Public'"),
        (ORIGINAL[:-20], "line 4: "),
        ("", "column usage, neutral"),
    ],
)
def test_a_broken_file_is_named(tmp_path, broken, message):
    path = tmp_path / "fer2013new.csv"
    path.write_text(broken)
    with pytest.raises(DataError, match=rf"fer2013new\.csv.*{message}"):
        load_ferplus(path)


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        load_ferplus("nowhere.csv")


def test_the_packaged_votes_are_those_of_ferplus():
    votes = load_ferplus("packaged")
    covered = [of_image for of_image in votes.by_name.values() if of_image.any()]
    assert (len(votes.by_name), len(covered)) == (32_298, 32_137)
    assert votes.by_name["train/angry/Training_3908.jpg"].tolist() == [0, 0, 2, 0, 8, 0, 0, 0, 0, 0]
    assert votes.by_row[21806].tolist() == [0, 0, 2, 0, 8, 0, 0, 0, 0, 0]
    assert set(votes.splits.values()) == {"train", "validation"}, "no votes of PrivateTest"
    seen = Counter(majority(of_image) for name, of_image in votes.by_name.items() if "/Training_" in name)
    assert (seen["neutral"], seen["happiness"], seen["contempt"]) == (8_739, 7_287, 119), "within 1 of FER+'s program"
    assert max(votes.by_row) < 28_709 + 3_589 and votes.splits[28_708] == "train"
