import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.live.drawing.draw import place_panel
from femo_jax.live.drawing.text import Layout, class_color
from femo_jax.live.image import Box
from femo_jax.live.results import FaceEmotion


def _face(probabilities=(0.0, 0.1, 0.2, 0.5, 0.05, 0.1, 0.05)):
    values = np.array(probabilities, np.float32)
    return FaceEmotion(Box(0, 0, 1, 1), EMOTIONS[values.argmax()], float(values.max()), values)


def _place(box, width=640, height=480, capital=9.0, others=()):
    return place_panel(_face(), box, capital, 4, Layout(width, height, [box, *others]))


@pytest.mark.parametrize("box", [Box(300, 200, 80, 80), Box(0, 0, 60, 60), Box(580, 420, 60, 60), Box(2, 400, 50, 80)])
def test_a_panel_is_inside_the_frame_and_off_its_face(box):
    place = _place(box).box
    assert place.x >= 0
    assert place.y >= 0
    assert place.x + place.w <= 640
    assert place.y + place.h <= 480
    assert place.x >= box.x + box.w or place.x + place.w <= box.x or place.y >= box.y + box.h


def test_the_side_with_room_is_chosen():
    assert _place(Box(100, 200, 80, 80)).box.x > 180
    assert _place(Box(540, 200, 80, 80)).box.x < 540
    neighbour = Box(190, 150, 100, 200)
    assert _place(Box(200 + 100, 200, 80, 80), others=[Box(400, 150, 100, 200)]).box.x < 300
    assert _place(Box(20, 200, 160, 80), others=[neighbour]).box.y > 280


def test_a_face_that_fills_the_frame_keeps_its_panel():
    assert _place(Box(0, 0, 640, 480)) is not None


def test_no_other_face_is_hidden():
    crowd = [Box(x, y, 90, 90) for x in range(0, 640, 100) for y in range(0, 480, 100)]
    assert _place(crowd[20], others=crowd) is None


@pytest.mark.parametrize("distance", [0, 10, 60, 130, 150])
def test_panels_of_neighbours_do_not_touch_the_other_face(distance):
    boxes = [Box(100, 150, 100, 100), Box(200 + distance, 150, 100, 100), Box(200, 265, 60, 60)]
    layout = Layout(640, 480, boxes)
    for box in boxes:
        panel = place_panel(_face(), box, 9.0, 4, layout)
        for other in boxes:
            if panel is not None and other != box:
                x, y, w, h = panel.box
                apart = x >= other.x + other.w or x + w <= other.x or y >= other.y + other.h or y + h <= other.y
                assert apart, (panel.box, other)


def test_a_frame_too_small_for_text_gets_no_panel():
    assert _place(Box(5, 5, 20, 20), width=40, height=40) is None
    assert _place(Box(20, 20, 40, 40), width=160, height=80).capital < 9


def test_bars_are_as_long_as_the_probabilities():
    canvas = np.full((480, 640, 3), 200, np.uint8)
    panel = _place(Box(100, 100, 80, 80))
    panel.draw(canvas)
    lengths = []
    for emotion in Emotion:
        shown = (canvas == class_color(emotion.label)).all(axis=2)
        lengths.append(shown.sum(axis=1).max())
    assert lengths[Emotion.ANGRY] == 0
    full = lengths[Emotion.HAPPY] / 0.5
    np.testing.assert_allclose(lengths, np.array(panel.face.probabilities) * full, atol=1)
    assert full > 40


def test_nothing_outside_the_panel_changes():
    canvas = np.full((480, 640, 3), 200, np.uint8)
    panel = _place(Box(100, 100, 80, 80))
    panel.draw(canvas)
    x, y, w, h = (int(value) for value in panel.box)
    assert canvas[y, x : x + w].max() == canvas[y : y + h, x].max() == 50
    canvas[y : y + h, x : x + w] = 200
    assert (canvas == 200).all()


def test_probabilities_that_went_astray_stay_in_the_panel():
    canvas = np.zeros((480, 640, 3), np.uint8)
    box = Box(100, 100, 80, 80)
    face = _face((-1.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0))
    panel = place_panel(face, box, 9.0, 4, Layout(640, 480, [box]))
    panel.draw(canvas)
    x, y, w, h = (int(value) for value in panel.box)
    canvas[y : y + h, x : x + w] = 0
    assert not canvas.any()
