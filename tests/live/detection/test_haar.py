import os
import shutil
import threading
from pathlib import Path

import cv2
import cv2.data
import numpy as np
import pytest
from skimage.data import astronaut

from femo_jax.errors import ConfigError
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection.haar import CASCADE, CASCADES, HaarDetector, _grouped
from femo_jax.live.image import Box, InputImage, overlaps, without_duplicates

HEAD = astronaut()[:220, 100:340, ::-1]
"""The only face of a photograph, `[220, 240, 3]` BGR."""

FACE = Box(72, 60, 102, 102)
"""Where it is."""


def put(*faces: tuple[int, int, float], width: int = 640, height: int = 480) -> InputImage:
    """A grey frame with heads: column, row and scale of each."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for x, y, scale in faces:
        head = cv2.resize(HEAD, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        part = frame[y : y + head.shape[0], x : x + head.shape[1]]
        part[:] = head[: part.shape[0], : part.shape[1]]
    return InputImage(frame)


def face_at(x: float, y: float, scale: float) -> Box:
    return Box(x + scale * FACE.x, y + scale * FACE.y, scale * FACE.w, scale * FACE.h)


def assert_same_places(found: list[Box], expected: list[Box], overlap: float = 0.7) -> None:
    assert len(found) == len(expected)
    assert all(overlaps([a], [b]).item() > overlap for a, b in zip(found, expected, strict=True)), found


@pytest.fixture(scope="module")
def detector():
    return HaarDetector(DetectorConfig())


@pytest.fixture(scope="module")
def crowd():
    return put((330, 200, 0.5), (10, 20, 1.0), (10, 260, 0.6), (330, 20, 0.8))


def test_each_face_has_one_box_in_order(detector, crowd):
    expected = [face_at(10, 260, 0.6), face_at(10, 20, 1.0), face_at(330, 200, 0.5), face_at(330, 20, 0.8)]
    expected.sort()
    assert_same_places(detector.detect(crowd), expected)
    assert detector.detect(crowd) == sorted(detector.detect(crowd))


def test_boxes_are_whole_pixels_inside_the_frame(detector):
    # The hair is cut off above, the chin below: the box would leave the frame.
    image = InputImage(np.ascontiguousarray(HEAD[64:158, 76:170]))
    looked = detector.detect_near(image, [Box(-4, -4, 102, 102)], 1.6, 1.2)
    for box in [*detector.detect(image), *detector.detect(put((3, 5, 0.77))), *looked]:
        assert 0 < box.score <= 1 and box.landmarks is None
        assert box is not None and all(isinstance(value, int) for value in box)
        assert box == box.clipped(640, 480) and box.size > 0
    assert looked[0] is not None and looked[0] == looked[0].clipped(94, 94)


def test_a_frame_of_another_size_gives_the_same_faces(detector, crowd):
    doubled = InputImage(cv2.resize(crowd.bgr, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR))
    expected = [Box(*(3 * value for value in box)) for box in detector.detect(crowd, still=False)]
    assert_same_places(detector.detect(doubled, still=False), expected, overlap=0.85)


@pytest.mark.parametrize(("smallest", "largest", "scales"), [(75, 1000, [1.0]), (0.15, 1.0, [1.0]), (30, 60, [0.45])])
def test_faces_are_of_the_sizes_asked_for_in_pixels_or_of_the_height(smallest, largest, scales):
    image = put((10, 20, 1.0), (330, 20, 0.45))
    found = HaarDetector(DetectorConfig(min_size=smallest, max_size=largest)).detect(image)
    assert_same_places(found, [face_at(10 if scale == 1.0 else 330, 20, scale) for scale in scales])


def test_nothing_is_found_where_no_size_is_left(crowd):
    assert HaarDetector(DetectorConfig(min_size=0.9, max_size=100)).detect(crowd, still=False) == []


@pytest.mark.parametrize(("width", "height"), [(900, 1600), (1600, 900), (2400, 3200)])
def test_small_faces_of_large_stills_are_found_upright_or_not(detector, width, height):
    """The limit of a still is in pixels: a fraction of the height would leave out all faces of a group photograph."""
    scene = np.full((height, width, 3), 128, np.uint8)
    places = [(60, 80), (400, 80), (80, 500), (430, 500)]
    for x, y in places:
        scene[y : y + 154, x : x + 168] = cv2.resize(HEAD, (168, 154), interpolation=cv2.INTER_AREA)
    expected = [face_at(x, y, 0.7) for x, y in places]
    found = detector.detect(InputImage(scene))
    assert len(found) == len(expected)
    assert (overlaps(expected, found).max(axis=1) > 0.7).all()  # a pixel to the right, the order is another


def test_sizes_as_fractions_count_from_the_shorter_side():
    config = DetectorConfig(min_size=0.1, max_size=0.5)
    assert config.sizes(480, 640, still=False) == config.sizes(640, 480, still=False) == (48, 240)
    assert config.sizes(3024, 4032, still=True) == (50, 1512)
    assert DetectorConfig(min_size=120).sizes(3024, 4032, still=True)[0] == 120


def test_a_still_without_a_certain_face_is_searched_by_a_second_cascade(detector, monkeypatch):
    """A frame of a stream is not, since the next one comes at once; nor is a still with a certain large face."""
    asked = []
    monkeypatch.setattr(detector._second, "_scan", lambda image, smallest, step: asked.append(smallest) or [])
    blank = InputImage(np.full((480, 640), 128, np.uint8))
    detector.detect(blank, still=False)
    detector.detect(put((50, 50, 1.0)))
    assert not asked
    detector.detect(blank)
    assert asked == [pytest.approx(0.09 * 480)]


def test_two_places_of_one_face_give_one_box(detector, monkeypatch):
    place = face_at(50, 50, 0.8)
    monkeypatch.setattr(
        detector,
        "_scan",
        lambda image, smallest, step: [Box(*(value + 6 * step for value in place)) for step in (0, 1)],
    )
    assert_same_places(detector.detect(put((50, 50, 0.8))), [place])


def test_more_neighbours_find_fewer_faces(crowd):
    found = {n: HaarDetector(DetectorConfig(min_neighbors=n)).detect(crowd, still=False) for n in (0, 1, 3, 100)}
    assert found[0] == found[1]
    assert len(found[1]) >= len(found[3]) == 4 and found[100] == []


def test_hits_that_overlap_are_averaged_to_a_fraction_of_a_pixel_and_counted():
    hits = np.array(
        [[10, 20, 30, 30], [80, 20, 40, 40], [11, 20, 31, 31], [11, 21, 30, 30], [10, 20, 30, 30]], np.int32
    )
    boxes, counts = _grouped(hits, 1)
    order = boxes[:, 0].argsort()
    assert boxes[order].tolist() == [[10.5, 20.25, 30.25, 30.25], [80, 20, 40, 40]]
    assert counts[order].tolist() == [4, 1]

    boxes, counts = _grouped(hits, 2)
    assert boxes[:, 0].tolist() == [10.5] and counts.tolist() == [4]
    assert len(_grouped(hits, 4)[0]) == 1 and len(_grouped(hits, 5)[0]) == 0
    assert _grouped(hits[:0], 1)[0].shape == (0, 4)


def test_equalising_changes_what_the_cascade_sees(monkeypatch, crowd):
    seen = []
    monkeypatch.setattr(cv2, "equalizeHist", lambda image: seen.append(image.shape) or image)
    assert len(HaarDetector(DetectorConfig(equalize=True)).detect(crowd)) == 4
    assert len(seen) > 4
    del seen[:]
    HaarDetector(DetectorConfig()).detect(crowd)
    assert not seen


def test_known_faces_are_found_where_they_moved_to(detector):
    image = put((10, 20, 1.0), (330, 20, 0.8))
    known = [face_at(330 + 12, 20 - 10, 0.8), face_at(10 - 14, 20 + 15, 1.1), Box(300, 300, 80, 80)]
    found = detector.detect_near(image, known, 1.6, 1.25)
    assert found[2] is None
    assert_same_places([box for box in found if box], [face_at(330, 20, 0.8), face_at(10, 20, 1.0)])


def test_of_two_faces_in_a_window_the_nearer_one_is_found(detector):
    image = put((10, 20, 0.6), (90, 20, 0.6))
    known = [face_at(20, 20, 0.6), face_at(80, 20, 0.6)]
    found = detector.detect_near(image, known, 4.0, 1.2)
    assert_same_places([box for box in found if box], [face_at(10, 20, 0.6), face_at(90, 20, 0.6)])


def test_known_faces_are_not_found_outside_window_or_scales(detector):
    image = put((10, 20, 1.0))
    x, y, size = *face_at(10, 20, 1.0).center, FACE.w
    beside, larger, smaller = face_at(150, 20, 1.0), 1.8 * size, 0.5 * size
    known = [beside, *(Box(x - side / 2, y - side / 2, side, side) for side in (larger, smaller))]
    assert detector.detect_near(image, known, 2.0, 1.2) == [None, None, None]
    assert None not in detector.detect_near(image, known[1:2], 2.0, 2.0)
    assert detector.detect_near(image, [], 1.6, 1.2) == []


def test_a_face_that_rests_is_found_at_rest(detector):
    boxes = []
    box: Box | None = detector.detect(put((50, 50, 0.8)))[0]
    for step, (x, y) in enumerate([(50, 50), (51, 50), (52, 51), (51, 52), (50, 52), (49, 51), (50, 50), (51, 51)]):
        noise = np.random.default_rng(step).normal(0, 2, (480, 640, 3))
        image = InputImage(np.clip(put((x, y, 0.8)).bgr + noise, 0, 255).astype(np.uint8))
        box = detector.detect_near(image, [box], 1.6, 1.2)[0]
        assert box is not None
        boxes.append((box.center[0] - x, box.center[1] - y, box.size))
    assert (np.std(boxes, axis=0) / np.mean(boxes, axis=0)[2] < (0.015, 0.015, 0.03)).all()


def test_hits_outside_the_frame_are_dropped(detector, monkeypatch):
    monkeypatch.setattr(detector, "_hits", lambda *_: np.array([[0, 0, 20, 20], [30, 30, 30, 30]] * 3, np.int32))
    (box,) = detector.detect_near(put(), [Box(-50, -50, 100, 100)], 1.6, 1.2)
    assert box is not None and box.x == box.y == 0 and box.size > 0
    assert detector.detect_near(put(), [Box(-150, -150, 100, 100)], 1.6, 1.2) == [None]


def test_an_image_smaller_than_the_cascades_window_never_reaches_it(monkeypatch):
    detector = HaarDetector(DetectorConfig())
    monkeypatch.setattr(detector, "_cascade", None)
    assert detector.detect(InputImage(np.zeros((19, 300), np.uint8))) == []


@pytest.mark.parametrize("shape", [(1, 640), (480, 1), (1, 1), (19, 640), (640, 19), (20, 20), (3, 5000)])
def test_a_tiny_frame_has_no_faces(shape):
    image = InputImage(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    for config in (DetectorConfig(), DetectorConfig(min_size=1e-6), DetectorConfig(min_size=5000)):
        detector = HaarDetector(config)
        assert detector.detect(image) == []
        assert detector.detect_near(image, [Box(0, 0, 1, 1), Box(90, 90, 50, 50)], 1.6, 1.2) == [None, None]


def test_several_threads_get_what_one_gets(detector, crowd):
    expected = detector.detect(crowd)
    results = []
    threads = [threading.Thread(target=lambda: results.append(detector.detect(crowd))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8


def test_the_cascades_are_those_of_opencv():
    for path in sorted(CASCADES.iterdir()):
        assert path.read_bytes() == Path(cv2.data.haarcascades, path.name).read_bytes()
        assert b"Intel License Agreement" in path.read_bytes()[:1000]
    assert (CASCADES / CASCADE).is_file()


def test_another_cascade_finds_other_things():
    path = Path(cv2.data.haarcascades) / "haarcascade_eye.xml"
    found = HaarDetector(DetectorConfig(model=path, min_size=20, max_size=60)).detect(put((10, 20, 1.0)))
    face = face_at(10, 20, 1.0)
    assert found and all(box.size < face.size / 2 for box in found)
    assert any(face.x < box.center[0] < face.x + face.w and face.y < box.center[1] < face.center[1] for box in found)


def test_a_cascade_whose_name_is_not_utf8_is_read(tmp_path, crowd):
    path = tmp_path / os.fsdecode(b"caf\xe9.xml")
    shutil.copy(Path(cv2.data.haarcascades) / CASCADE, path)
    assert HaarDetector(DetectorConfig(model=path)).detect(crowd) == HaarDetector(DetectorConfig()).detect(crowd)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"not a cascade",
        b"<?xml",
        b'<?xml version="1.0"?><opencv_storage><a>1</a></opencv_storage>',
        b'<?xml version="1.0"?><opencv_storage><cascade><a>1</a></cascade></opencv_storage>',
        b"%YAML:1.0\n---\na: 1\n",
        bytes(999),
    ],
)
def test_a_file_that_is_no_cascade_is_reported(tmp_path, contents):
    path = tmp_path / "mine.xml"
    path.write_bytes(contents)
    with pytest.raises(ConfigError, match=r"mine\.xml: not a cascade"):
        HaarDetector(DetectorConfig(model=path))


def test_a_missing_cascade_is_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.xml: no such cascade file"):
        HaarDetector(DetectorConfig(model=tmp_path / "nowhere.xml"))
    with pytest.raises(ConfigError, match="no such cascade file"):
        HaarDetector(DetectorConfig(model=tmp_path))


def by_parts(detector: HaarDetector, image: InputImage, region: Box | None = None, known: tuple = ()) -> list[Box]:
    found = []
    for part in range(len(detector.parts(image.width, image.height))):
        found += detector.detect_part(image, part, region or image.box, known)
    return sorted(without_duplicates(found))


def test_the_parts_of_a_scan_find_the_faces_of_the_frame(detector, crowd):
    expected = sorted([face_at(10, 260, 0.6), face_at(10, 20, 1.0), face_at(330, 200, 0.5), face_at(330, 20, 0.8)])
    assert_same_places(by_parts(detector, crowd), expected)
    assert_same_places(detector.detect_first(crowd), expected)


def test_no_part_is_much_of_a_scan(detector):
    parts = detector.parts(640, 480)
    assert sum(parts) == pytest.approx(3)  # one by the first cascade, one that takes twice as long by the second
    assert max(parts) < 0.2 * 2
    cascade = HaarDetector(DetectorConfig(model=Path(cv2.data.haarcascades) / CASCADE))
    assert sum(cascade.parts(640, 480)) == pytest.approx(1)
    assert HaarDetector(DetectorConfig(min_size=0.9, max_size=100)).parts(640, 480) == []


def test_a_part_finds_faces_that_touch_its_region_and_no_others(detector, crowd):
    x, y, w, h = face_at(10, 20, 1.0)
    corner = Box(x + w - 5, y + h - 5, 10, 10)
    assert_same_places(by_parts(detector, crowd, corner), [face_at(10, 20, 1.0)])
    assert by_parts(detector, crowd, Box(600, 440, 10, 10)) == []


def test_known_faces_are_not_looked_at_again(detector, crowd, monkeypatch):
    known = tuple(detector.detect_first(crowd))
    looked = []
    monkeypatch.setattr(detector, "_look", lambda image, place, *_: looked.append(place) or [])
    by_parts(detector, crowd, known=known)
    assert overlaps(looked, known).max(initial=0.0) < 0.3


def test_a_new_face_is_confirmed_by_another_cascade(detector, crowd, monkeypatch):
    box = face_at(10, 20, 1.0)
    elsewhere = Box(500, 400, 50, 50)
    for hits, confirmed in ([], 0), ([(box, 4)], 0), ([(elsewhere, 50)], 0), ([(elsewhere, 50), (box, 5)], 1):
        monkeypatch.setattr(detector._confirming, "_look", lambda *_, hits=hits: hits)
        assert len(detector._confirmed(crowd, [(box.rounded(), 7)])) == confirmed
    monkeypatch.setattr(detector, "_confirming", None)
    assert len(detector._confirmed(crowd, [(box, 7)])) == 1


@pytest.mark.parametrize("shape", [(1, 640), (20, 20), (30, 3000), (480, 44)])
def test_parts_of_a_frame_of_any_shape(detector, shape):
    image = InputImage(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    assert detector.detect_first(image) == by_parts(detector, image) == []
