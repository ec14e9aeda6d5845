import pytest

from femo_jax.emotions import (
    EMOTIONS,
    NUM_EMOTIONS,
    Emotion,
    canonical_name,
    check_class_names,
    class_colors,
    rep155_name,
)
from femo_jax.errors import ConfigError


def test_class_order_is_that_of_the_folders():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert list(EMOTIONS) == sorted(EMOTIONS)
    assert [Emotion.from_label(label).value for label in EMOTIONS] == list(range(NUM_EMOTIONS))


def test_csv_codes_are_those_of_fer2013():
    labels = [Emotion.from_csv_code(code).label for code in range(7)]
    assert labels == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert all(Emotion.from_csv_code(emotion.csv_code) is emotion for emotion in Emotion)


def test_rep155_names():
    assert [e.rep155 for e in Emotion] == ["angry", "disgusted", "scared", "happy", "neutral", "sad", "surprised"]


def test_colours_differ():
    assert len({emotion.rgb for emotion in Emotion}) == NUM_EMOTIONS


@pytest.mark.parametrize("code", [-1, 7])
def test_unknown_code_is_named(code):
    with pytest.raises(ValueError, match=str(code)):
        Emotion.from_csv_code(code)


def test_unknown_label_is_named():
    with pytest.raises(ValueError, match="joy"):
        Emotion.from_label("joy")


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("Happiness", "happy"), (" joy ", "happy"), ("ANGER", "angry"), ("contemptuous", "contempt"), ("Smirk", "smirk")],
)
def test_synonyms_have_one_name(name, canonical):
    assert canonical_name(name) == canonical


def test_rep155_names_of_other_classes_stay():
    assert [rep155_name(name) for name in ("fear", "contempt", "smile")] == ["scared", "contempt", "smile"]


def test_every_class_has_a_colour_of_its_own():
    names = ("joy", "smile", "sad", "frown", "contempt", "wink", "pout", "smirk", "wince", "grin", "sneer", "gape")
    colors = class_colors(names)
    assert tuple(colors) == names and len(set(colors.values())) == len(names)
    assert colors["joy"] == Emotion.HAPPY.rgb and colors["sad"] == Emotion.SAD.rgb


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["one"], r"1 classes \(one\): expected 2 to 256"),
        ([str(number) for number in range(257)], "257 classes .*expected 2 to 256"),
        (["a", "b", "a"], "class name 'a' occurs twice"),
        (["a", " "], "class name ' ': expected"),
        (["a", "b\x1b"], r"class name 'b\\x1b': expected"),
        (["a", "../b"], "class name '../b': expected"),
        ("ab", "class names are 'ab': expected a list"),
        ([1, 2], "expected a list of words"),
    ],
)
def test_impossible_class_names_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        check_class_names(names)
