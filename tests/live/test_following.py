import cv2
import numpy as np
import pytest

from femo_jax.live.following import CarriedFace, FaceFollower
from femo_jax.live.image import Box, DetectedFace, InputImage

FRAME = 1 / 30


def texture(seed: int, grain: int = 8) -> np.ndarray:
    """Smooth noise of full contrast, as no other seed has it, with details of so many pixels."""
    noise = np.random.default_rng(seed).normal(size=(480 // grain, 640 // grain)).astype(np.float32)
    smooth = cv2.GaussianBlur(cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC), (0, 0), grain / 3)
    return np.clip(128 + 60 * smooth, 0, 255).astype(np.uint8)


SCENE = texture(0)


def shifted(dx: float, dy: float, scene: np.ndarray = SCENE) -> InputImage:
    """The scene, moved by fractions of pixels."""
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    moved = cv2.warpAffine(scene, matrix, scene.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return InputImage(moved)


def following(*faces: Box, scene: np.ndarray = SCENE) -> FaceFollower:
    """A follower of faces that were found in the scene at time 0."""
    follower = FaceFollower()
    follower.carry(InputImage(scene), 0.0, [], (), 0.1, 1.6)
    follower.keep(InputImage(scene), 0.0, faces)
    return follower


def carried(follower: FaceFollower, frame: InputImage, *faces: Box, time: float = FRAME) -> list[Box | None]:
    return follower.carry(frame, time, faces, faces, 0.1, 1.6)


@pytest.mark.parametrize("size", [30, 47, 64, 100, 200])
@pytest.mark.parametrize("motion", [(0.0, 0.0), (0.4, -0.3), (2.6, 1.2), (-4.5, 5.0)])
def test_a_face_is_carried_to_a_fraction_of_a_pixel(size, motion):
    face, scene = Box(250, 140, size, size), texture(0, grain=max(size // 8, 4))
    (box,) = carried(following(face, scene=scene), shifted(*motion, scene), face)
    assert box is not None
    assert (box.w, box.h) == (size, size)
    assert (box.x - face.x, box.y - face.y) == pytest.approx(motion, abs=max(0.25, 0.004 * size))


def test_small_steps_do_not_add_up_to_an_error():
    face = Box(250, 140, 60, 60)
    follower, box = following(face), face
    for step in range(1, 8):
        frame = shifted(0.7 * step, -0.4 * step)
        (box,) = follower.carry(frame, step / 1000, [box], [box], 0.1, 1.6)
        assert box is not None
        follower.keep(frame, step / 1000, [box])
    assert (box.x - face.x, box.y - face.y) == pytest.approx((4.9, -2.8), abs=0.25)


def test_brightness_and_contrast_may_change():
    face = Box(250, 140, 60, 60)
    darker = cv2.convertScaleAbs(SCENE, alpha=0.5, beta=10)
    assert carried(following(face), InputImage(darker), face)[0] == pytest.approx(face, abs=0.25)


@pytest.mark.parametrize("change", ["another place", "covered", "flat", "far"])
def test_what_does_not_match_is_to_be_looked_at(change):
    face, stays = Box(250, 140, 60, 60), Box(450, 300, 60, 60)
    frame = SCENE.copy()
    if change == "another place":
        frame[100:240, 210:350] = texture(1)[100:240, 210:350]
    if change == "covered":
        frame[165:200, 250:310] = 128
    if change == "flat":
        frame[100:240, 210:350] = 128
    if change == "far":
        frame[100:240, 210:350] = shifted(17, 0).grey[100:240, 210:350]
    gone, there = carried(following(face, stays), InputImage(frame), face, stays)
    assert gone is None
    assert there == pytest.approx(stays, abs=0.25)


def test_a_face_without_contrast_is_always_looked_at():
    dark, face = cv2.convertScaleAbs(SCENE, alpha=0.04), Box(250, 140, 60, 60)
    assert carried(following(face, scene=dark), InputImage(dark), face) == [None]


def test_only_steady_faces_that_are_known_are_carried():
    first, second, unknown = Box(100, 100, 60, 60), Box(300, 100, 60, 60), Box(450, 300, 60, 60)
    follower = following(first, second)
    boxes = follower.carry(shifted(0, 0), FRAME, [unknown, first, second], [unknown, second], 0.1, 1.6)
    assert [box is not None for box in boxes] == [False, False, True]


def test_a_face_that_was_not_kept_is_looked_at():
    face = Box(100, 100, 60, 60)
    follower = following(face)
    follower.keep(shifted(0, 0), FRAME, [])
    assert carried(follower, shifted(0, 0), face, time=2 * FRAME) == [None]


@pytest.mark.parametrize("at", [(0, 0), (580, 0), (0, 420), (580, 420)])
@pytest.mark.parametrize("inward", [0, 6])
def test_at_the_edge_of_the_frame_a_face_is_carried_inward_or_looked_at(at, inward):
    face = Box(*at, 60, 60)
    motion = tuple(inward if place == 0 else -inward for place in at)
    (box,) = carried(following(face), shifted(*motion), face)
    if inward:
        assert box == pytest.approx(face._replace(x=at[0] + motion[0], y=at[1] + motion[1]), abs=0.3)
    else:
        assert box is None


@pytest.mark.parametrize("frame", [(480, 640), (60, 60), (8, 8), (1, 640)])
@pytest.mark.parametrize("face", [Box(0, 0, 1, 1), Box(3, 2, 5, 60), Box(-20, -20, 60, 60), Box(600, 450, 100, 100)])
def test_odd_boxes_and_frames_are_no_error(frame, face):
    scene = texture(0)[: frame[0], : frame[1]]
    follower = following(face, scene=scene)
    assert len(carried(follower, InputImage(scene), face)) == 1


def test_score_and_landmarks_go_with_the_box():
    landmarks = np.arange(10.0).reshape(5, 2) + 260
    face = DetectedFace.of(Box(250, 140, 60, 60), 0.8, landmarks)
    (box,) = carried(following(face), shifted(3, -2), face)
    assert isinstance(box, CarriedFace)
    assert box.score == 0.8
    np.testing.assert_allclose(box.landmarks - landmarks, [[3, -2]] * 5, atol=0.25)


def test_each_face_is_looked_at_once_in_a_while_and_not_all_in_one_frame():
    faces = [Box(100 + 150 * column, 100, 60, 60) for column in range(3)]
    follower, frame = following(*faces), InputImage(SCENE)
    boxes: list[Box] = list(faces)
    looks = []
    for step in range(1, 31):
        places = follower.carry(frame, step * FRAME, boxes, boxes, 0.1, 1.6)
        looks.append(places.count(None))
        boxes = [face if place is None else place for face, place in zip(faces, places, strict=True)]
        follower.keep(frame, step * FRAME, boxes)
    assert set(looks[5:]) == {1}


def test_a_clock_that_jumps_back_has_all_looked_at():
    face = Box(250, 140, 60, 60)
    assert carried(following(face), InputImage(SCENE), face, time=-1.0) == [None]
