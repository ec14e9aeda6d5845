import threading
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from femo_jax import EMOTIONS
from femo_jax.live.config import SearchConfig, StreamConfig, TrackConfig
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.stream import EmotionStream, recognize_together


class BrightestSpot:
    """A detector of bright squares of 40 pixels: the face of these tests."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def __init__(self):
        self.scans = 0

    def detect(self, image, *, still=True):
        self.scans += 1
        return self._find(image)

    def detect_near(self, image, boxes, window, scales):
        found = self._find(image)
        return [found[0] if found else None for _ in boxes]

    def _find(self, image):
        rows, columns = np.nonzero(image.grey > 100)
        return [Box(int(columns.min()), int(rows.min()), 40, 40)] if len(rows) else []


class Brightness:
    """Stands in for the recogniser: a face of 150 is happy, one of 250 is sad."""

    def __init__(self, image_size=48):
        self.counts = []
        self.compiled = 0
        self.model = SimpleNamespace(image_size=image_size, classes=EMOTIONS)
        self.detector = BrightestSpot()

    def compile(self):
        self.compiled += 1

    def classify(self, faces):
        assert faces.shape[1:] == (self.model.image_size,) * 2
        self.counts.append(len(faces))
        probabilities = np.full((len(faces), 7), 0.02, np.float32)
        for row, face in zip(probabilities, faces, strict=True):
            row[EMOTIONS.index("happy" if face.mean() < 200 else "sad")] = 0.88
        return probabilities


@pytest.fixture
def stream():
    return EmotionStream(Brightness(), StreamConfig(SearchConfig(full_scan_ms=200), TrackConfig(min_hits=2)))


def frame(x, brightness=150):
    image = np.zeros((120, 160), np.uint8)
    image[30:70, x : x + 40] = brightness
    return image


def test_a_face_keeps_its_number_and_settles_on_its_emotion(stream):
    results = [stream(frame(x=20 + step), time=step / 25) for step in range(20)]

    assert results[0].faces == []  # one sighting does not make a track
    assert {face.track_id for result in results for face in result.faces} == {1}
    last = results[-1].faces[0]
    assert last.label == "happy"
    assert last.confidence == pytest.approx(0.88, abs=0.01)
    assert last.age == pytest.approx(19 / 25)
    assert abs(last.box.x - 39) < 6
    assert (results[-1].width, results[-1].height) == (160, 120)
    assert results[-1].detection_ms > 0 and results[-1].inference_ms > 0


def test_a_frame_of_another_size_begins_anew_with_new_numbers(stream):
    for step in range(10):
        (*_, shown) = [None, *stream(frame(20), time=step / 25).faces]
    assert shown.track_id == 1
    large = np.zeros((240, 320), np.uint8)
    large[100:140, 50:90] = 250
    result = stream(large, time=0.4)
    assert result.full_scan and result.faces == []
    (face,) = stream(large, time=0.44).faces
    assert (face.track_id, face.label) == (2, "sad")


def test_all_is_compiled_before_the_second_frame_and_never_again(stream):
    compiled = []
    for step in range(4):
        stream(frame(20), time=step / 30)
        compiled.append(stream._recognizer.compiled)
    stream.reset()
    stream(frame(20), time=0.0)
    assert (compiled, stream._recognizer.compiled) == ([0, 1, 1, 1], 1)


def test_a_face_is_classified_when_it_is_due(stream):
    for step in range(31):
        stream(frame(20), time=step / 30)
    assert stream._recognizer.counts == [1, 0, 0] * 10 + [1]
    stream.config = StreamConfig(track=TrackConfig(classify_every_ms=0))
    stream(frame(20), time=31 / 30)
    assert stream._recognizer.counts[-1] == 1


def test_the_label_follows_a_change_of_the_face(stream):
    labels = [
        [face.label for face in stream(frame(20, 150 if step < 25 else 250), time=step / 25).faces]
        for step in range(50)
    ]
    assert labels[24] == ["happy"]
    assert labels[26] == ["happy"]  # not at once: one frame is no evidence
    assert labels[-1] == ["sad"]


def test_whole_frames_are_scanned_only_every_so_often(stream):
    scans = [stream(frame(20), time=step / 25).full_scan for step in range(26)]
    assert sum(scans) == stream._recognizer.detector.scans
    assert 5 <= sum(scans) <= 7  # once in 200 ms


def test_new_settings_hold_for_a_living_stream(stream):
    for step in range(10):
        stream(frame(20), time=step / 25)
    stream.config = StreamConfig(SearchConfig(full_scan_ms=0), TrackConfig(uncertain_below=0.95))
    result = stream(frame(20), time=0.44)
    assert result.full_scan
    assert result.faces[0].uncertain


def test_a_reset_begins_again(stream):
    for step in range(5):
        stream(frame(20), time=step / 25)
    stream.reset()
    assert stream(frame(20), time=0.24).faces == []
    # The face may be another person: it does not inherit the id.
    assert [face.track_id for face in stream(frame(20), time=0.28).faces] == [2]


def test_a_frame_without_faces_has_none(stream):
    assert stream(np.zeros((48, 64, 3), np.uint8), time=0.0).faces == []


@pytest.mark.parametrize("time", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(stream, time):
    with pytest.raises(ValueError, match="finite seconds"):
        stream(frame(20), time=time)


def test_crops_have_the_size_that_the_model_takes():
    stream = EmotionStream(Brightness(image_size=64), StreamConfig(track=TrackConfig(min_hits=1)))
    assert [face.label for face in stream(frame(x=20), time=0.0).faces] == ["happy"]


@pytest.mark.parametrize(("every", "late"), [(0, 0), (120, 2)])
def test_a_tracked_face_is_uncertain_while_its_crops_have_no_contrast(every, late):
    config = TrackConfig(min_hits=1, uncertain_for_ms=0, classify_every_ms=every)
    stream = EmotionStream(Brightness(), StreamConfig(track=config))
    pattern = np.indices((40, 40)).sum(axis=0) % 40  # a ramp of 40 grey levels
    uncertain = []
    for step in range(30):
        image = frame(20, 150)
        image[30:70, 20:60] += (pattern * (0.1 if 10 <= step < 20 else 1.0)).astype(np.uint8)
        (face,) = stream(image, time=step / 25).faces
        uncertain.append(face.uncertain)
    # Frames 0, 3, 6, ... are classified where that is done every 120 ms.
    assert uncertain == [False] * (10 + late) + [True] * (10 - late + late // 2) + [False] * (10 - late // 2)


def test_faces_of_several_cameras_are_classified_in_one_batch(monkeypatch):
    recognizer = Brightness()
    streams = [EmotionStream(recognizer, StreamConfig(SearchConfig(full_scan_ms=200)), count(10)) for _ in range(3)]
    alone = [EmotionStream(Brightness(), StreamConfig(SearchConfig(full_scan_ms=200)), count(10)) for _ in range(3)]
    brightness = 150, 250, 0  # happy, sad, and nobody there
    for step in range(12):
        images = [frame(20 + step, each) for each in brightness]
        results = recognize_together(streams, images, [step / 25] * 3)
        expected = [stream(image, step / 25) for stream, image in zip(alone, images, strict=True)]
        for result, other in zip(results, expected, strict=True):
            assert [face.as_dict() for face in result.faces] == [face.as_dict() for face in other.faces]
    assert [[face.label for face in result.faces] for result in results] == [["happy"], ["sad"], []]
    assert recognizer.counts[0] == 2  # new faces of both cameras, at once
    assert len(recognizer.counts) == 12  # one call a round

    seconds = count()
    monkeypatch.setattr("femo_jax.live.stream.clock", SimpleNamespace(perf_counter=lambda: next(seconds)))
    results = recognize_together(streams, images, [0.5] * 3)
    assert [result.inference_ms for result in results] == [2500, 2500, 2000]  # two crops each, and half of the network


def test_known_faces_are_classified_while_new_ones_are_searched_for(stream):
    """Each of the two waits for the other to begin."""
    classifying, searching = threading.Event(), threading.Event()
    recognizer, find_new = stream._recognizer, stream._search.find_new
    classify = recognizer.classify

    def waits(faces):
        classifying.set()
        assert searching.wait(60)
        return classify(faces)

    def searches(*arguments):
        searching.set()
        assert classifying.wait(60)
        return find_new(*arguments)

    stream(frame(20), 0.0)
    recognizer.classify, stream._search.find_new = waits, searches
    stream.config = StreamConfig(SearchConfig(full_scan_ms=200), TrackConfig(min_hits=2, classify_every_ms=0))
    assert [face.label for face in stream(frame(21), 0.04).faces] == ["happy"]


def test_a_network_that_fails_beside_the_search_fails_the_frame(stream):
    stream(frame(20), 0.0)
    stream.config = StreamConfig(SearchConfig(full_scan_ms=200), TrackConfig(classify_every_ms=0))
    stream._recognizer.classify = lambda faces: 1 // 0
    with pytest.raises(ZeroDivisionError):
        stream(frame(21), 0.04)


def test_cameras_may_give_frames_at_different_rates():
    """A round takes those that have a new frame."""
    recognizer = Brightness()
    fast, slow = (EmotionStream(recognizer, StreamConfig(SearchConfig(full_scan_ms=0))) for _ in range(2))
    for step in range(12):
        due = [fast, slow] if step % 3 == 0 else [fast]
        results = recognize_together(due, [frame(20)] * len(due), [step / 30] * len(due))
    assert len(results) == 1 and results[0].faces[0].label == "happy"
    assert slow(frame(20), 12 / 30).faces[0].track_id == 1


def test_streams_that_do_not_belong_together_are_refused():
    one, other = EmotionStream(Brightness()), EmotionStream(Brightness())
    assert recognize_together([], [], []) == []
    with pytest.raises(ValueError, match="2 streams, 1 images, 2 times"):
        recognize_together([one, other], [frame(0)], [0.0, 0.0])
    with pytest.raises(ValueError, match="given twice"):
        recognize_together([one, one], [frame(0)] * 2, [0.0, 0.0])
    with pytest.raises(ValueError, match="different models"):
        recognize_together([one, other], [frame(0)] * 2, [0.0, 0.0])
