import cv2
import numpy as np
import pytest

from femo_jax.live.config import SearchConfig
from femo_jax.live.image import Box, CropGeometry, InputImage
from femo_jax.live.stream import FaceSearch

IMAGE = InputImage(np.zeros((480, 640), np.uint8))
LEFT, RIGHT, BELOW = Box(50, 100, 60, 60), Box(400, 100, 80, 80), Box(200, 300, 60, 60)


class FakeDetector:
    """Finds what it is given: some faces in a scan of the whole frame, others near known ones."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def __init__(self, scanned=(), near=None):
        self.scanned = list(scanned)
        self.near = near or {}
        self.scans = 0
        self.asked = []

    def detect(self, image, *, still=True):
        assert image is IMAGE
        self.scans += 1
        return sorted(self.scanned)

    def detect_near(self, image, boxes, window, scales):
        assert image is IMAGE
        self.asked.append((list(boxes), window, scales))
        return [self.near.get(box) for box in boxes]


def full_scans(search, times):
    return [search.find(IMAGE, time, [])[1] for time in times]


def test_the_whole_frame_is_searched_every_so_often():
    detector = FakeDetector([LEFT])
    search = FaceSearch(detector, SearchConfig(full_scan_ms=250))
    times = [10.0, 10.1, 10.2, 10.25, 10.4, 10.6, 10.8]
    assert full_scans(search, times) == [True, False, False, True, False, True, False]
    assert detector.scans == 3


def test_zero_searches_the_whole_of_every_frame():
    assert full_scans(FaceSearch(FakeDetector(), SearchConfig(full_scan_ms=0)), [0.0, 0.01, 0.01]) == [True] * 3


def test_a_clock_that_jumps_back_searches_the_whole_frame():
    search = FaceSearch(FakeDetector(), SearchConfig(full_scan_ms=10_000))
    assert full_scans(search, [100.0, 101.0, 0.0, 1.0, 9.9, 10.0]) == [True, False, True, False, False, True]


def test_after_a_reset_the_whole_frame_is_searched():
    search = FaceSearch(FakeDetector(), SearchConfig())
    search.find(IMAGE, 0.0, [])
    search.reset()
    assert search.find(IMAGE, 0.01, [])[1]


def test_between_scans_known_faces_are_looked_for_where_they_were():
    moved = Box(55, 102, 60, 60)
    detector = FakeDetector([LEFT, RIGHT], near={LEFT: moved})
    search = FaceSearch(detector, SearchConfig(window_scale=2.5, scale_range=1.4))
    assert search.find(IMAGE, 0.0, []) == ([LEFT, RIGHT], True)
    assert search.find(IMAGE, 0.03, [RIGHT, LEFT]) == ([moved], False)
    assert detector.asked == [([RIGHT, LEFT], 2.5, 1.4)]


def test_without_known_faces_nothing_is_looked_for_between_scans():
    detector = FakeDetector([LEFT])
    search = FaceSearch(detector, SearchConfig())
    search.find(IMAGE, 0.0, [])
    assert search.find(IMAGE, 0.03, []) == ([], False)
    assert detector.asked == []


def test_a_known_face_that_a_scan_missed_is_looked_for():
    detector = FakeDetector([RIGHT], near={LEFT: LEFT, BELOW: None})
    known = [LEFT, Box(402, 100, 80, 80), BELOW]
    assert FaceSearch(detector, SearchConfig()).find(IMAGE, 0.0, known) == ([LEFT, RIGHT], True)
    assert [boxes for boxes, *_ in detector.asked] == [[LEFT, BELOW]]


def test_a_face_that_was_found_twice_is_one():
    ran = Box(450, 100, 80, 80)  # too far from where it was for a scan to count as having found it
    detector = FakeDetector([RIGHT], near={ran: Box(404, 101, 80, 80)})
    search = FaceSearch(detector, SearchConfig())
    assert search.find(IMAGE, 0.0, [ran]) == ([RIGHT], True)

    detector.near = {LEFT: LEFT, BELOW: Box(52, 101, 60, 60)}
    assert search.find(IMAGE, 0.1, [LEFT, BELOW]) == ([LEFT], False)


def test_faces_are_ordered_by_place():
    detector = FakeDetector([RIGHT], near={LEFT: LEFT, BELOW: BELOW})
    assert FaceSearch(detector, SearchConfig()).find(IMAGE, 0.0, [BELOW, LEFT])[0] == [LEFT, BELOW, RIGHT]


@pytest.mark.parametrize("change", ["config", "detector"])
def test_settings_and_detector_may_be_replaced(change):
    search = FaceSearch(FakeDetector([LEFT]), SearchConfig(full_scan_ms=1000))
    search.find(IMAGE, 0.0, [])
    if change == "config":
        search.config = SearchConfig(full_scan_ms=100)
        assert search.find(IMAGE, 0.1, [])[1]
    else:
        search.detector = FakeDetector([RIGHT])
        assert search.find(IMAGE, 1.0, []) == ([RIGHT], True)


class DividedDetector(FakeDetector):
    """Searches in parts of which each takes the share of a scan that it is given; notes what was searched."""

    def __init__(self, shares, first=(), new=(), near=None):
        super().__init__(near=near)
        self.shares, self.first, self.new = list(shares), list(first), list(new)
        self.searched = []
        self.firsts = 0

    def detect(self, image, *, still=True):
        raise AssertionError("a frame is searched in parts")

    def detect_near(self, image, boxes, window, scales):
        return [self.near.get(box) for box in boxes]

    def detect_first(self, image):
        self.firsts += 1
        return sorted(self.first)

    def parts(self, width, height):
        return self.shares

    def detect_part(self, image, part, region, known):
        self.searched.append((part, region, list(known)))
        return self.new

    def taken(self):
        searched, self.searched = [part for part, *_ in self.searched], []
        return searched


def noise(seed, width=640, height=480):
    """A frame that differs everywhere from all others."""
    return InputImage(
        np.kron(
            np.random.default_rng(seed).integers(0, 256, (height // 20, width // 20), np.uint8),
            np.ones((20, 20), np.uint8),
        )
    )


def searched_parts(search, times, first_seed=0):
    return [(search.find(noise(first_seed + n), time, [])[1], search.detector.taken()) for n, time in enumerate(times)]


def test_known_faces_are_found_before_new_ones():
    near = Box(55, 102, 60, 60)
    detector = DividedDetector([1.0], first=[near], new=[near, RIGHT], near={LEFT: near})
    search = FaceSearch(detector, SearchConfig())
    assert search.find_known(noise(0), 0.0, [LEFT]) == []  # the first frame is searched as a whole
    assert search.find_new(noise(0), 0.0, [LEFT], (), []) == ([near], True)
    assert search.find_known(noise(1), 0.3, [LEFT]) == [near]
    assert search.find_new(noise(1), 0.3, [LEFT], (), [near]) == ([RIGHT], True)


def test_a_scan_is_spread_over_frames():
    detector = DividedDetector([0.4, 0.2, 0.2, 0.2])
    search = FaceSearch(detector, SearchConfig(full_scan_ms=500))
    found = searched_parts(search, [10 + step / 10 for step in range(11)])
    assert detector.firsts == 1
    scan = [[0], [], [1], [2], [3]]
    assert [parts for _, parts in found] == [[], *scan, *scan]
    assert [ended for ended, _ in found] == [True, *[False] * 4, True, *[False] * 4, True]


def test_parts_of_several_scans_follow_each_other():
    search = FaceSearch(DividedDetector([0.5, 0.5, 1.0, 1.0]), SearchConfig(full_scan_ms=200))
    found = searched_parts(search, [step / 10 for step in range(13)])
    cycle = [[0], [1], [2], [], [3], []]
    assert [parts for _, parts in found] == [[], *cycle, *cycle]


def test_a_late_frame_searches_each_part_once():
    search = FaceSearch(DividedDetector([0.5, 0.25, 0.25]), SearchConfig(full_scan_ms=100))
    found = searched_parts(search, [0.0, 5.0, 5.1, 5.15])
    assert [parts for _, parts in found] == [[], [0, 1, 2], [0, 1, 2], [0]]


def test_what_has_not_changed_is_not_searched_again_until_it_is_refreshed():
    detector = DividedDetector([1.0])
    search = FaceSearch(detector, SearchConfig(full_scan_ms=100))
    searched = []
    for step in range(20):
        search.find(noise(0), step / 10, [])
        searched += [step] * len(detector.taken())
    assert searched == [9, 17]


def test_noise_of_a_camera_is_no_change():
    detector = DividedDetector([1.0])
    search = FaceSearch(detector, SearchConfig(full_scan_ms=100))
    rng = np.random.default_rng(0)
    searched = []
    for step in range(8):
        grey = np.clip(noise(0).grey + rng.normal(0, 6, (480, 640)), 0, 255).astype(np.uint8)
        search.find(InputImage(grey), step / 10, [])
        searched += [step] * len(detector.taken())
    assert searched == []


def test_only_what_has_changed_is_searched():
    detector = DividedDetector([1.0])
    search = FaceSearch(detector, SearchConfig(full_scan_ms=100))
    grey = np.full((480, 640), 100, np.uint8)
    for step in range(3):
        search.find(InputImage(grey), step / 10, [])
    changed = grey.copy()
    changed[200:260, 400:480] = 200
    detector.taken()
    search.find(InputImage(changed), 0.3, [])
    ((_, region, _),) = detector.searched
    assert region.x <= 400 < 480 <= region.x + region.w and region.w < 100
    assert region.y <= 200 < 260 <= region.y + region.h and region.h < 80


def test_parts_are_told_what_is_known_and_find_what_is_new():
    moved = Box(55, 102, 60, 60)
    detector = DividedDetector([1.0], first=[LEFT], new=[RIGHT, Box(402, 101, 80, 80)], near={LEFT: moved})
    search = FaceSearch(detector, SearchConfig(full_scan_ms=100))
    assert search.find(noise(0), 0.0, []) == ([LEFT], True)
    assert search.find(noise(1), 0.1, [LEFT]) == ([moved, RIGHT], True)
    ((_, _, known),) = detector.searched
    assert known == [LEFT, moved]


@pytest.mark.parametrize("why", ["reset", "time", "size", "detector"])
def test_a_stream_that_begins_anew_is_searched_as_a_whole(why):
    detector = DividedDetector([0.5, 0.5])
    search = FaceSearch(detector, SearchConfig(full_scan_ms=1000))
    assert [ended for ended, _ in searched_parts(search, [5.0, 5.1])] == [True, False]
    if why == "reset":
        search.reset()
    if why == "detector":
        search.detector = detector = DividedDetector([1.0])
    image = noise(9, width=320) if why == "size" else noise(9)
    assert search.find(image, 1.0 if why == "time" else 5.2, [])[1]
    assert detector.firsts == (1 if why == "detector" else 2)


def test_frames_in_which_no_size_fits_have_no_parts():
    search = FaceSearch(DividedDetector([]), SearchConfig())
    assert [search.find(noise(step), step / 10, []) for step in range(3)] == [([], True), ([], False), ([], False)]


# Looks at known faces


def textured(seed=0):
    """A frame with details that a face can be matched by."""
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80), np.uint8)
    return InputImage(cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC))


class LookingDetector(FakeDetector):
    """Finds known faces where they were, unless they are gone, and notes whom it was asked for in each frame."""

    def __init__(self, faces):
        self.faces, self.asked = list(faces), []

    def detect(self, image, *, still=True):
        return sorted(self.faces)

    def detect_near(self, image, boxes, window, scales):
        self.asked.append(len(boxes))
        return [self.found(box) for box in boxes]

    def found(self, box):
        return next((face for face in self.faces if abs(face.x - box.x) < 10 and abs(face.y - box.y) < 10), None)


class LookingInParts(LookingDetector):
    """As that, with a scan in parts that finds nothing more."""

    def detect_first(self, image):
        return self.detect(image)

    def parts(self, width, height):
        return [1.0]

    def detect_part(self, image, part, region, known):
        return []


def followed(search, frames, born=True, start=0, known=()):
    """How many looks were taken in each frame at 30 Hz, and the faces that were found in it."""
    looks, found = [], [list(known)]
    for step in range(start, start + frames):
        search.detector.asked = []
        boxes, _ = search.find(textured(), step / 30, found[-1], found[-1] if born else ())
        looks.append(sum(search.detector.asked))
        found.append(boxes)
    return looks, found[1:]


@pytest.fixture(params=[LookingDetector, LookingInParts])
def looking(request):
    """A search for two faces with a detector that cannot search in parts, and with one that can."""

    def make(**settings):
        return FaceSearch(request.param([LEFT, RIGHT]), SearchConfig(full_scan_ms=10_000, **settings))

    return make


def test_steady_faces_are_looked_at_in_turn(looking):
    looks, found = followed(looking(look_every_ms=100.0), 60)
    assert {len(boxes) for boxes in found} == {2}
    assert set(looks[5:]) == {0, 1}
    assert sum(looks[5:]) == pytest.approx(2 / 3 * 55, abs=2)


@pytest.mark.parametrize("born", [True, False])
def test_each_face_is_looked_at_in_every_frame_where_it_is_to_be(looking, born):
    looks, _ = followed(looking(look_every_ms=0.0 if born else 100.0), 10, born)
    assert looks == [0] + [2] * 9


def test_a_face_that_matches_and_is_no_longer_found_is_gone_at_the_next_look(looking):
    search = looking(look_every_ms=100.0)
    _, found = followed(search, 10)
    search.detector.faces = [LEFT]
    _, found = followed(search, 7, start=10, known=found[-1])
    counts = [len(boxes) for boxes in found]
    assert 1 in counts[:6] and counts == sorted(counts, reverse=True)
    assert found[-1] == [pytest.approx(LEFT, abs=0.1)]


def test_what_looks_different_is_looked_at_at_once(looking):
    search = looking(look_every_ms=1000.0)
    known, _ = search.find(textured(), 0.0, [])
    known, _ = search.find(textured(), 0.03, known, known)
    search.detector.asked = []
    search.find(textured(1), 0.06, known, known)
    assert search.detector.asked == [2]


def test_another_detector_looks_at_each_face_first(looking):
    search = looking(look_every_ms=1000.0)
    known, _ = search.find(textured(), 0.0, [])
    search.detector = type(search.detector)([LEFT])
    assert search.find(textured(), 0.03, known, known)[0] == [LEFT]
