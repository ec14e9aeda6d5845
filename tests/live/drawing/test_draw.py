import time

import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.draw import draw, status_text
from femo_jax.live.drawing.text import DARK, class_color
from femo_jax.live.image import Box
from femo_jax.live.results import FaceEmotion

SIZES = [(320, 240), (640, 480), (1920, 1080), (3840, 2160)]


def _face(box, label="happy", confidence=0.8, **kwargs):
    probabilities = np.full(7, (1 - confidence) / 6, np.float32)
    probabilities[EMOTIONS.index(label)] = confidence
    return FaceEmotion(Box(*box), label, confidence, probabilities, **kwargs)


def _frame(width=640, height=480, value=90):
    return np.full((height, width, 3), value, np.uint8)


def _colored(image, label):
    """Rows and columns of all pixels in the colour of an emotion."""
    return np.nonzero((image == class_color(label)).all(axis=2))


def _changed(image, value=90):
    return (image != value).any(axis=2)


def _extent(mask):
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_the_input_is_not_touched():
    frame = _frame()
    frame.flags.writeable = False
    drawn = draw(frame, [_face((100, 100, 80, 80))], status="24 fps")
    assert drawn.shape == frame.shape
    assert (frame == 90).all()
    assert drawn.flags.writeable
    assert drawn.flags.c_contiguous


def test_a_mirrored_view_can_be_drawn_on():
    drawn = draw(_frame()[:, ::-1], [_face((100, 100, 80, 80))])
    assert _changed(drawn).any()


@pytest.mark.parametrize("label", EMOTIONS)
def test_box_and_label_are_in_the_colour_of_the_emotion(label):
    drawn = draw(_frame(), [_face((200, 200, 100, 120), label)])
    assert (drawn[260, 200] == class_color(label)).all()
    assert (drawn[260, 299] == class_color(label)).all()
    assert (drawn[319, 250] == class_color(label)).all()
    rows, _ = _colored(drawn[:195], label)
    assert len(rows) > 500
    assert (drawn[205:315, 205:295] == 90).all()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_text_grows_with_the_frame(width, height):
    box = (width // 4, height // 3, width // 8, width // 8)
    drawn = draw(_frame(width, height), [_face(box)])
    _, top, _, bottom = _extent(_changed(drawn[: height // 3 - 1]))
    plate = bottom - top
    assert plate >= 18  # of which half is the height of a capital letter: nine pixels can be read
    assert 0.02 <= plate / height <= 0.09


def test_an_uncertain_face_is_dashed_and_has_a_dark_plate():
    box = (200, 200, 120, 120)
    certain, uncertain = (draw(_frame(), [_face(box, uncertain=doubt)]) for doubt in (False, True))
    assert _changed(certain)[210:310, 200].all()
    side = _changed(uncertain)[210:310, 200]
    assert 0.2 < side.mean() < 0.9
    assert len(_colored(certain[:190], "happy")[0]) > 1000
    assert len(_colored(uncertain[:190], "happy")[0]) == 0
    assert (uncertain[:190] == DARK).all(axis=2).sum() > 1000


def test_an_uncertain_label_ends_in_a_question_mark():
    box = (200, 200, 120, 120)
    widths = []
    for doubt in (False, True):
        left, _, right, _ = _extent(_changed(draw(_frame(), [_face(box, uncertain=doubt)])[:190]))
        widths.append(right - left)
    assert widths[1] > widths[0] + 3


def test_what_the_configuration_leaves_out_is_not_drawn():
    face = _face((200, 200, 60, 60), track_id=3)

    def width(**kwargs):
        left, _, right, _ = _extent(_changed(draw(_frame(), [face], DrawConfig(**kwargs))[:190]))
        return right - left

    assert width() > width(confidence=False) > width(confidence=False, ids=False)
    assert (draw(_frame(), [], DrawConfig(status=False), "24 fps") == 90).all()
    assert _changed(draw(_frame(), [], DrawConfig(), "24 fps")).any()
    with_bars = _changed(draw(_frame(), [face], DrawConfig(bars=True))).sum()
    assert with_bars > _changed(draw(_frame(), [face])).sum() + 5000


def test_scale_grows_lines_and_text():
    areas = [_changed(draw(_frame(), [_face((200, 200, 60, 60))], DrawConfig(scale=scale))).sum() for scale in (1, 2)]
    assert areas[1] > 2 * areas[0]


def test_a_label_too_wide_for_its_frame_shrinks():
    face = _face((20, 60, 60, 60), confidence=0.99, track_id=12345)
    narrow, wide = (_extent(_changed(draw(_frame(width, 200), [face])[:58])) for width in (120, 640))
    assert narrow[3] - narrow[1] < wide[3] - wide[1]
    assert 90 < narrow[2] - narrow[0] <= 120 < wide[2] - wide[0]


def test_the_status_is_in_the_upper_left_corner():
    left, top, right, bottom = _extent(_changed(draw(_frame(), [], status="24 fps  41 ms")))
    assert 0 < left < 15
    assert 0 < top < 15
    assert right < 320
    assert bottom < 60


@pytest.mark.parametrize("corner", [(0, 0), (560, 0), (0, 400), (560, 400), (-40, 200), (600, 200), (300, 450)])
@pytest.mark.parametrize("bars", [False, True])
def test_labels_stay_inside_the_frame(corner, bars):
    """The same image on a larger canvas shows nothing that the frame had cut off."""
    face = _face((*corner, 80, 80), confidence=0.99, track_id=12345)
    drawn = draw(_frame(), [face], DrawConfig(bars=bars))
    whole = draw(_frame(), [_face((280, 200, 80, 80), confidence=0.99, track_id=12345)])
    assert len(_colored(drawn, "happy")[0]) > 0.5 * len(_colored(whole, "happy")[0])
    plate = _widest_row(drawn)
    assert plate == pytest.approx(_widest_row(whole), abs=3)


def _widest_row(image):
    """The longest row of pixels in the colour of the label's plate."""
    same = (image == class_color("happy")).all(axis=2)
    longest = 0
    for row in same:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        longest = max([longest, *(edges[1::2] - edges[::2])])
    return longest


def test_labels_of_near_faces_do_not_hide_each_other():
    labels = ("angry", "disgust", "fear", "sad", "surprise")
    alone = [draw(_frame(), [_face((260, 200, 70, 70), label)], DrawConfig(ids=False)) for label in labels]
    faces = [_face((220 + 12 * index, 200 + 6 * index, 70, 70), label) for index, label in enumerate(labels)]
    together = draw(_frame(), faces, DrawConfig(ids=False))
    for image, label in zip(alone, labels, strict=True):
        lonely = len(_colored(image, label)[0])
        assert len(_colored(together, label)[0]) > 0.75 * lonely, label


def test_a_status_is_not_hidden_by_a_label():
    status = draw(_frame(), [], status="24 fps  41 ms")
    both = draw(_frame(), [_face((10, 30, 80, 80))], status="24 fps  41 ms")
    written = (status == 255).all(axis=2)
    assert (both[written] == 255).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 480), (640, 1), (5, 7), (40, 30), (100, 20), (33, 900)])
@pytest.mark.parametrize("uncertain", [False, True])
def test_tiny_frames(width, height, uncertain):
    faces = [_face((0, 0, width, height), uncertain=uncertain), _face((-3, -3, 2 * width + 9, 5), track_id=9)]
    drawn = draw(_frame(width, height), faces, DrawConfig(bars=True), "24 fps  41 ms")
    assert drawn.shape == (height, width, 3)


@pytest.mark.parametrize(
    "box",
    [(-200, 10, 50, 50), (700, 10, 50, 50), (10, 9999999, 5, 5), (10, 10, 0, 0), (10, 10, 0, 50), (-1e12, 0, 5, 5)],
)
def test_a_face_outside_the_frame_is_left_out(box):
    assert (draw(_frame(), [_face(box)], DrawConfig(bars=True)) == 90).all()


@pytest.mark.parametrize("box", [(-1e9, -1e9, 2e9, 2e9), (630.4, 470.6, 99.9, 99.9), (100.5, 100.5, 0.9, 0.9)])
def test_a_face_partly_outside_is_drawn(box):
    for uncertain in (False, True):
        assert _changed(draw(_frame(), [_face(box, uncertain=uncertain)], DrawConfig(bars=True))).any()


def test_two_hundred_faces():
    rng = np.random.default_rng(0)
    faces = [_face((x, y, 30, 30), EMOTIONS[x % 7], track_id=x) for x, y in rng.integers(0, 450, (200, 2)).tolist()]
    began = time.process_time()
    draw(_frame(), faces, DrawConfig(bars=True), "24 fps")
    assert time.process_time() - began < 1


@pytest.mark.perf
def test_four_faces_cost_little():
    frame = _frame()
    faces = [_face((60 + 140 * n, 200, 90, 90), EMOTIONS[n], uncertain=n == 2, track_id=n) for n in range(4)]
    for bars in (False, True):
        times = []
        for _ in range(40):
            began = time.perf_counter()
            draw(frame, faces, DrawConfig(bars=bars), "24 fps  41 ms")
            times.append(time.perf_counter() - began)
        assert min(times) < 0.004  # of which the half is met on an idle machine


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="cannot draw on"):
        draw(image, [])


@pytest.mark.parametrize(
    ("rate", "latency", "text"),
    [
        (24.31, 41.2, "24 fps  41 ms"),
        (9.87, 3.14, "9.9 fps  3.1 ms"),
        (9.96, None, "10 fps"),
        (None, 120.4, "120 ms"),
        (None, None, ""),
        (0.0, 0.0, "0.0 fps  0.0 ms"),
    ],
)
def test_status(rate, latency, text):
    assert status_text(rate, latency) == text
