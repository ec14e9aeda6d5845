import pytest

from femo_jax.emotions import EMOTIONS, NUM_EMOTIONS, Emotion


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
