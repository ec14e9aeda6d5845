import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import yunet
from femo_jax.live.detection.yunet import YuNetDetector
from femo_jax.live.image import Box, InputImage, overlaps

EYES_NOSE_MOUTH = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


class FakeNetwork:
    """Stands in for `cv2.FaceDetectorYN`: a bright rectangle is a face.

    Attributes:
      inputs: height and width of all images that it was given.
      last: the last of them.
    """

    def __init__(self) -> None:
        self.inputs = []
        self.last = np.empty(0)

    def setInputSize(self, size):  # noqa: N802
        self.size = size

    def detect(self, image):
        assert image.shape == (self.size[1], self.size[0], 3) and image.dtype == np.uint8
        self.inputs.append(image.shape[:2])
        self.last = image
        _, _, boxes, _ = cv2.connectedComponentsWithStats((image[..., 0] > 127).astype(np.uint8))
        faces = np.zeros((len(boxes) - 1, 15), np.float32)
        faces[:, :4] = boxes[1:, :4]
        x, y, w, h = faces[:, :4].T
        faces[:, 4:14] = np.stack(
            [value for across, down in EYES_NOSE_MOUTH for value in (x + across * w, y + down * h)], 1
        )
        faces[:, 14] = 0.75
        return len(faces), faces if len(faces) else None


@pytest.fixture
def network(monkeypatch):
    fake = FakeNetwork()
    monkeypatch.setattr(yunet, "_load", lambda path, score: fake)
    return fake


@pytest.fixture
def make(network, tmp_path):
    """Makes a detector with the fake network."""
    path = tmp_path / "yunet.onnx"
    path.touch()

    def make(**options) -> YuNetDetector:
        detector = YuNetDetector(DetectorConfig(kind="yunet", model=path, **options))
        network.inputs.clear()  # of the trial run
        return detector

    return make


def draw(*faces: Box, width: int = 640, height: int = 480) -> InputImage:
    frame = np.zeros((height, width, 3), np.uint8)
    for x, y, w, h in faces:
        frame[max(y, 0) : y + h, max(x, 0) : x + w] = 255
    return InputImage(frame)


def assert_near(found, expected, pixels=4):
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=pixels)


HIGH, SMALL, WIDE = Box(100, 40, 80, 112), Box(300, 200, 50, 60), Box(20, 300, 120, 90)


def test_a_model_whose_name_is_not_utf8_reaches_opencv(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    path.write_bytes(b"no network")
    with pytest.raises(ConfigError, match="not a YuNet that OpenCV"):
        YuNetDetector(DetectorConfig(kind="yunet", model=path))


def test_boxes_are_in_pixels_of_the_frame_and_in_order(make, network):
    found = make().detect(draw(SMALL, WIDE, HIGH))
    assert_near(found, [WIDE, HIGH, SMALL])
    assert found == sorted(found)
    assert all(isinstance(value, int) for box in found for value in box)


def test_the_frame_is_reduced_as_far_as_the_smallest_face_allows(make, network):
    sizes = []
    for smallest, width, height in [(32, 640, 480), (8, 640, 480), (0.1, 1920, 1080)]:
        make(min_size=smallest).detect(draw(width=width, height=height), still=False)
        sizes += network.inputs
    assert sizes == [(240, 320), (480, 640), (160, 284)]


def test_faces_are_of_the_sizes_asked_for(make):
    image = draw(SMALL, HIGH)
    assert_near(make(min_size=70).detect(image), [HIGH])
    assert_near(make(max_size=70).detect(image), [SMALL])
    assert_near(make(min_size=0.15, max_size=0.5).detect(image, still=False), [HIGH])


def test_known_faces_are_found_where_they_moved_to(make):
    moved = Box(112, 50, 84, 116)
    found = make().detect_near(draw(moved, SMALL), [SMALL, HIGH, Box(500, 20, 60, 60)], 1.6, 1.2)
    assert found[2] is None
    assert_near(found[:2], [SMALL, moved])


def test_of_two_faces_the_one_that_overlaps_most_is_found(make):
    first, second = Box(300, 200, 50, 60), Box(354, 200, 50, 60)
    found = make().detect_near(draw(first, second), [Box(320, 204, 50, 60), Box(335, 204, 50, 60)], 1.6, 1.2)
    assert_near(found, [first, second])


def test_known_faces_are_not_found_outside_window_or_scales(make):
    detector = make()
    assert detector.detect_near(draw(SMALL), [Box(300, 100, 50, 60), Box(300, 200, 80, 90)], 1.2, 1.2) == [None, None]
    assert detector.detect_near(draw(SMALL), [], 1.6, 1.2) == []


def test_only_the_surroundings_of_known_faces_are_searched(make, network):
    make(min_size=32).detect_near(draw(SMALL), [SMALL], 1.6, 1.2)
    # Half the size, by cells of 32: columns 128 to 192 and rows 64 to 160.
    assert network.inputs == [(96, 64)]


def test_the_smallest_input_is_filled_with_the_frame(make, network):
    frame = np.full((480, 640), 100, np.uint8)
    make(min_size=32).detect_near(InputImage(frame), [Box(80, 80, 20, 20)], 1.2, 1.2)
    assert network.last.shape == (64, 64, 3) and (network.last == 100).all()


def test_a_part_of_the_frame_shows_a_face_as_the_whole_does(make):
    detector = make(min_size=32)
    image = draw(Box(101, 41, 81, 113), Box(303, 207, 53, 61))
    assert detector.detect_near(image, detector.detect(image), 1.6, 1.2) == detector.detect(image)
    assert detector.detect_near(image, [Box(301, 205, 55, 65)], 1.6, 1.2) == detector.detect(image)[1:]


def test_a_known_face_outside_the_frame_is_not_found(make):
    for outside in (Box(900, 900, 50, 60), Box(-300, 10, 50, 60), Box(300, 700, 50, 60)):
        assert make().detect_near(draw(SMALL), [outside], 1.6, 1.2) == [None]


def test_a_face_that_fills_a_portrait_is_found(make):
    box = Box(1, 1, 98, 138)
    assert len(make().detect(draw(box, width=100, height=140))) == 1
    assert make(max_size=0.9).detect(draw(box, width=100, height=140)) == []


@pytest.mark.parametrize("shape", [(1, 640), (480, 1), (1, 1), (5, 640)])
def test_the_network_never_gets_a_tiny_image(make, network, shape):
    detector = make()
    image = InputImage(np.zeros(shape, np.uint8))
    assert detector.detect(image) == []
    assert detector.detect_near(image, [Box(0, 0, 1, 1)], 1.6, 1.2) == [None]
    assert np.min(network.inputs) == 64


def test_faces_are_clipped_to_the_frame(make, monkeypatch):
    detector = make(min_size=16)
    boxes = np.array([[-20, -10, 60, 60], [600, 450, 50, 50], [700, 0, 50, 50]], np.float64)
    reaching_out = np.pad(boxes, ((0, 0), (0, 11)))
    monkeypatch.setattr(detector, "_run", lambda image: reaching_out)
    assert detector.detect(draw()) == [(0, 0, 40, 50), (600, 450, 40, 30)]


@pytest.mark.parametrize("contents", [b"", b"not a network", bytes(range(256)) * 40])
def test_a_file_that_is_no_yunet_is_reported(tmp_path, contents):
    for name in ("mine.onnx", os.fsdecode(b"caf\xe9mine.onnx")):
        path = tmp_path / name
        path.write_bytes(contents)
        with pytest.raises(ConfigError, match=r"mine\.onnx: not a YuNet"):
            YuNetDetector(DetectorConfig(kind="yunet", model=path))


def test_another_network_is_reported(tmp_path, monkeypatch):
    """One that OpenCV loads, but that has not the outputs of YuNet, fails when it is run."""

    class Other(FakeNetwork):
        def detect(self, image):
            raise cv2.error("Layer with requested id is not found")

    path = tmp_path / "other.onnx"
    path.touch()
    monkeypatch.setattr(yunet, "_load", lambda path, score: Other())
    with pytest.raises(ConfigError, match=r"other\.onnx: not a YuNet"):
        YuNetDetector(DetectorConfig(kind="yunet", model=path))


def test_a_face_has_its_score_and_landmarks_in_pixels_of_the_frame(make):
    image = draw(HIGH)
    detector = make()
    for found in (detector.detect(image), detector.detect_near(image, [HIGH], 1.6, 1.2)):
        assert [face.score for face in found] == [0.75]
        expected = np.array(HIGH[:2]) + np.array(EYES_NOSE_MOUTH) * HIGH[2:]
        np.testing.assert_allclose(found[0].landmarks, expected, atol=4)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.onnx: no such model file"):
        YuNetDetector(DetectorConfig(kind="yunet", model=tmp_path / "nowhere.onnx"))


@pytest.fixture(scope="module")
def real():
    """A detector with the YuNet that FEMO_YUNET names, or a skip."""
    path = os.environ.get("FEMO_YUNET")
    if not path:
        pytest.skip("set FEMO_YUNET to the path of a YuNet model file to run this test")
    return YuNetDetector(DetectorConfig(kind="yunet", model=Path(path)))


def test_a_real_network_finds_a_real_face(real):
    image = InputImage(np.ascontiguousarray(astronaut()[..., ::-1]))
    (face,) = real.detect(image)
    assert overlaps([face], [Box(178, 62, 84, 118)]).item() > 0.7
    assert 0.7 <= face.score <= 1
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0] and right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    np.testing.assert_allclose(right_eye, (203, 101), atol=8)
    (again,) = real.detect_near(image, [face], 1.6, 1.2)
    assert again is not None and overlaps([face], [again]).item() > 0.9


def test_a_real_network_serves_several_threads(real):
    images = [InputImage(np.ascontiguousarray(astronaut()[:, : 512 - 40 * step, ::-1])) for step in range(4)]
    expected = [real.detect(image) for image in images]
    results = {}

    def work(index):
        results[index] = [real.detect(images[index]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {index: [expected[index]] * 5 for index in range(4)}
