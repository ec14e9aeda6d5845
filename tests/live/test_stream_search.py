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
