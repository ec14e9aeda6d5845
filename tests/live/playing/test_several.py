import itertools
import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.playing.several import GroupPlayer, recognition_together
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.results import FaceEmotion, FrameResult
from femo_jax.live.sources.frame import Frame
from femo_jax.live.sources.group import SourceGroup
from femo_jax.live.sources.live import LiveSource
from femo_jax.signals import StopRequest, stop_request

HAPPY = np.eye(7, dtype=np.float32)[3]
WIDTH, HEIGHT = 64, 48


class FakeClip:
    """Frames whose pixels are their numbers, from a first one on."""

    live, dropped = False, 0

    def __init__(self, count=5, *, rate=25.0, first=0):
        self.frames_per_second, self._count, self._first = rate, count, first

    def __iter__(self):
        for index in range(self._count):
            image = np.full((HEIGHT, WIDTH, 3), self._first + index, np.uint8)
            yield Frame(index, index / self.frames_per_second, image, "clip")


class FakeWindow:
    """A window that keeps what it is shown, and is closed after so many grids."""

    def __init__(self, closed_after=1000):
        self.shown, self.waited, self.ended = [], 0.0, False
        self._closed_after = closed_after

    def show(self, image):
        self.shown.append(image.copy())
        self.ended = len(self.shown) >= self._closed_after

    def wait(self, seconds):
        self.waited += max(seconds, 0.0)


class FakeVideo:
    """A clip that keeps what is written."""

    def __init__(self, frames_per_second=25.0):
        self.frames_per_second, self.images, self.times = frames_per_second, [], []

    def write(self, image, seconds):
        self.images.append(image.copy())
        self.times.append(seconds)


class FakeLog:
    """A log that keeps what is written."""

    def __init__(self):
        self.written = []

    def write(self, index, result, source):
        self.written.append((index, result.time, source))


def recognize(frames):
    return {
        number: FrameResult(
            [FaceEmotion(Box(8, 8, 24, 24), "happy", 1.0, HAPPY, number + 1)],
            frame.time,
            WIDTH,
            HEIGHT,
            1.0,
            1.0,
            full_scan=True,
        )
        for number, frame in frames.items()
    }


def group_of(*sources, names=("front", "rear")):
    return SourceGroup(sources, names)


def cells(grids):
    """Values of the two cells of each grid."""
    return [(int(grid[0, 0, 0]), int(grid[0, WIDTH, 0])) for grid in grids]


def test_frames_lie_side_by_side_and_each_is_logged_once_with_its_source(undrawn):
    video, log = FakeVideo(), FakeLog()
    player = GroupPlayer(recognize, StopRequest(), video=video, log=log)
    player.play(group_of(FakeClip(3), FakeClip(3, first=100)))
    assert cells(video.images) == [(0, 100), (1, 101), (2, 102)]
    assert video.images[0].shape == (HEIGHT, 2 * WIDTH, 3)
    assert video.times == pytest.approx([0.0, 0.04, 0.08])
    assert [(index, source) for index, _, source in log.written] == [
        (index, source) for index in range(3) for source in ("front", "rear")
    ]
    assert [seconds for _, seconds, source in log.written if source == "rear"] == pytest.approx([0.0, 0.04, 0.08])


def test_a_clip_that_is_over_keeps_its_last_frame_in_the_grid(undrawn):
    video = FakeVideo()
    GroupPlayer(recognize, StopRequest(), video=video).play(group_of(FakeClip(2), FakeClip(4, first=100)))
    assert cells(video.images) == [(0, 100), (1, 101), (1, 102), (1, 103)]


def test_the_summary_counts_each_source_and_all(undrawn):
    player = GroupPlayer(recognize, StopRequest())
    player.play(group_of(FakeClip(2), FakeClip(4)))
    assert player.summary.frames == 6
    assert player.summary.faces == 2
    lines = str(player.summary).splitlines()
    assert lines[0].startswith("frames     6 in ")
    assert lines[1:4] == ["  front: 2", "  rear: 4", "faces      2"]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_it_ends_after_so_many_frames_of_all_sources(undrawn, count):
    log = FakeLog()
    GroupPlayer(recognize, StopRequest(), log=log).play(group_of(FakeClip(5), FakeClip(5)), max_frames=count)
    assert len(log.written) == count


def test_it_ends_when_the_window_is_closed(undrawn):
    window = FakeWindow(closed_after=2)
    player = GroupPlayer(recognize, StopRequest(), window=window)
    player.play(group_of(FakeClip(5), FakeClip(5)))
    assert player.summary.frames == 4


def test_clips_are_shown_by_their_common_clock(undrawn, monkeypatch):
    monkeypatch.setattr("femo_jax.live.playing.player.time", SimpleNamespace(monotonic=lambda: 9.0))
    window = FakeWindow()
    GroupPlayer(recognize, StopRequest(), window=window).play(group_of(FakeClip(5), FakeClip(5)))
    assert window.waited == pytest.approx(0.04 + 0.08 + 0.12 + 0.16)  # on a clock that stands still


def test_a_request_to_stop_is_answered_after_the_round_at_hand(undrawn):
    log = FakeLog()

    def interrupted(frames):
        if frames[0].index == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return recognize(frames)

    with stop_request() as stop:
        GroupPlayer(interrupted, stop, log=log).play(group_of(FakeClip(5), FakeClip(5)))
    assert len(log.written) == 6


def test_each_frame_has_the_name_and_the_rate_of_its_source(undrawn):
    names = ("camera 0", "/a/very/long/path/to/the/clip/of/the/kitchen-é.mp4")
    GroupPlayer(recognize, StopRequest(), video=FakeVideo()).play(group_of(FakeClip(30), FakeClip(30), names=names))
    first, second = undrawn[:2]
    assert first == "camera 0"
    assert second == "...the/clip/of/the/kitchen-?.mp4"
    assert undrawn[-2].startswith("camera 0  ")
    assert undrawn[-2].endswith(" ms")
    assert " fps  " in undrawn[-2]


def test_nothing_is_drawn_where_nobody_looks(undrawn):
    GroupPlayer(recognize, StopRequest(), log=FakeLog()).play(group_of(FakeClip(3), FakeClip(3)))
    assert undrawn == []


def test_frames_are_mirrored_each_for_itself(undrawn):
    class Marked(FakeClip):
        def __iter__(self):
            for frame in super().__iter__():
                frame.image[:, :10] = 200
                yield frame

    video, seen = FakeVideo(), []

    def look(frames):
        seen.extend(frame.image for frame in frames.values())
        return recognize(frames)

    GroupPlayer(look, StopRequest(), mirror=True, video=video).play(group_of(Marked(1), Marked(1)))
    for image in (*seen, video.images[0][:, :WIDTH], video.images[0][:, WIDTH:]):
        assert (image[:, -10:] == 200).all()
        assert (image[:, :10] < 200).all()


def test_clips_out_of_step_are_not_written_more_often_than_the_rate_of_the_grid(undrawn):
    video, log = FakeVideo(30.0), FakeLog()
    player = GroupPlayer(recognize, StopRequest(), video=video, log=log)
    player.play(group_of(FakeClip(50, rate=25.0), FakeClip(60, rate=30.0)))
    assert len(log.written) == 110
    assert len(video.times) == pytest.approx(60, abs=2)
    assert np.diff(video.times).min() > 0


# Cameras


@pytest.fixture
def camera(fake_capture, plain):
    """Makes live sources of the given values, each of which then gives nothing until the test ends."""
    over, sources = threading.Event(), []

    def connect():
        raise SourceError("not there")

    def make(name, values, give_up_after=60.0):
        def frames():
            for value in values:
                yield plain(value, HEIGHT, WIDTH)
                time.sleep(0.002)
            over.wait(30)

        sources.append(LiveSource(fake_capture(frames()), name, connect, give_up_after=give_up_after))
        return sources[-1]

    yield make
    over.set()
    for each in sources:
        each.close()


def test_a_camera_that_stalls_does_not_hold_up_the_other_and_keeps_its_frame(camera, undrawn):
    video = FakeVideo(1e6)
    player = GroupPlayer(recognize, StopRequest(), video=video)
    group = group_of(camera("front", [7]), camera("rear", itertools.cycle(range(10, 250))))
    player.play(group, max_frames=20)
    assert player.summary.sources["front"].frames == 1
    assert player.summary.sources["rear"].frames == 19
    assert {left for left, _ in cells(video.images)} == {7}
    assert len({right for _, right in cells(video.images)}) > 10


def test_a_camera_that_is_given_up_is_darkened_and_counted_so(camera, undrawn):
    window = FakeWindow()
    front, rear = camera("front", [200], give_up_after=0.3), camera("rear", itertools.repeat(100))
    group = group_of(front, rear)

    def ended():
        window.ended = window.ended or (0 in group.given_up and cells(window.shown[-1:])[0][0] != 200)

    player = GroupPlayer(recognize, StopRequest(), window=window)
    player.play(group, on_progress=ended)
    assert cells(window.shown[-1:]) == [(70, 100)]
    assert "  front: 1, given up" in str(player.summary)


def test_the_last_camera_that_is_given_up_is_an_error_and_what_came_before_counts(camera, undrawn):
    player = GroupPlayer(recognize, StopRequest(), window=FakeWindow())
    group = group_of(camera("front", [1], give_up_after=0.2), camera("rear", [1], give_up_after=0.4))
    with pytest.raises(SourceError, match="rear: gave no frame"):
        player.play(group)
    assert player.summary.frames == 2
    assert str(player.summary).splitlines()[1:3] == ["  front: 1, given up", "  rear: 1, given up"]


# With a network


class OneFace:
    """A detector that finds the same face in every frame."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def detect(self, image, *, still=True):
        return [Box(8, 8, 24, 24)]

    def detect_near(self, image, boxes, window, scales):
        return list(boxes)


@pytest.fixture(scope="module")
def recognizer(random_model):
    return EmotionRecognizer(random_model, OneFace(), batch_sizes=(1, 2))


def test_the_faces_of_a_round_are_one_batch_and_ids_are_unique(recognizer, undrawn, monkeypatch):
    batches, numbers = [], itertools.count(1)
    classify = recognizer.classify
    monkeypatch.setattr(recognizer, "classify", lambda faces: batches.append(len(faces)) or classify(faces))
    found = {0: set(), 1: set()}
    recognize_round = recognition_together(recognizer, [recognizer.stream(None, numbers) for _ in range(2)])

    def look(frames):
        results = recognize_round(frames)
        for number, result in results.items():
            found[number] |= {face.track_id for face in result.faces}
        return results

    GroupPlayer(look, StopRequest()).play(group_of(FakeClip(4), FakeClip(4)))
    assert batches[0] == 2
    assert max(batches) == 2
    assert sorted(found[0] | found[1]) == [1, 2]
    assert not found[0] & found[1]


def test_cropped_faces_are_one_batch_with_the_time_of_their_frames(recognizer, monkeypatch):
    batches = []
    classify = recognizer.classify
    monkeypatch.setattr(recognizer, "classify", lambda faces: batches.append(len(faces)) or classify(faces))
    recognize_round = recognition_together(recognizer, [recognizer.stream()] * 3, cropped=True)
    frames = {number: Frame(0, 0.5 * number, np.zeros((48, 48, 3), np.uint8), "clip") for number in (0, 2)}
    results = recognize_round(frames)
    assert batches == [2]
    assert {number: result.time for number, result in results.items()} == {0: 0.0, 2: 1.0}
    assert [tuple(result.faces[0].box) for result in results.values()] == [(0, 0, 48, 48)] * 2
