import pytest

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.live.drawing.palette import BLACK, DARK, WHITE, contrast, emotion_color, ink, mixed


def test_colours_are_in_the_order_of_opencv():
    assert Emotion.ANGRY.rgb == (213, 94, 0)
    assert emotion_color("angry") == (0, 94, 213)


def test_contrast_is_that_of_the_guidelines():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert contrast((0, 0, 255), (255, 255, 255)) == pytest.approx(4.0, abs=0.01)  # pure red


@pytest.mark.parametrize("label", EMOTIONS)
def test_text_can_be_read_on_every_emotion(label):
    assert contrast(ink(emotion_color(label)), emotion_color(label)) >= 4.5
    assert contrast(mixed(emotion_color(label), WHITE, 0.4), DARK) >= 4.5


def test_dark_text_on_light_and_light_text_on_dark():
    assert ink(emotion_color("happy")) == BLACK
    assert ink(emotion_color("sad")) == WHITE


def test_mixing():
    assert mixed((0, 100, 200), (100, 100, 100), 0.25) == (25, 100, 175)
