import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.drawing.draw import status_text
from femo_jax.live.image import Box
from femo_jax.live.playing import player as module
from femo_jax.live.playing.player import Player
from femo_jax.live.results import FaceEmotion, FrameResult
from femo_jax.live.sources.frame import Frame
from femo_jax.live.sources.live import LiveSource
from femo_jax.signals import StopRequest, stop_request

HAPPY = np.eye(7, dtype=np.float32)[3]


class FakeSource:
    """Frames whose pixels are their numbers."""

    def __init__(self, count=5, *, live=False, still=False, rate=100.0):
        self.live, self.still, self.rate, self.frames_per_second = live, still, rate, rate
        self.count = count
        self.dropped = 0

    def __iter__(self):
        for index in range(self.count):
            seconds = module.time.monotonic() if self.live else index / self.rate
            yield Frame(index, seconds, np.full((48, 64, 3), index, np.uint8), "fake", self.still)


class FakeWindow:
    """A window that notes what it is asked to do, and is closed after so many frames."""

    def __init__(self, clock=None, closed_after=1000):
        self.shown = []
        self.times = []
        self.keys_awaited = 0
        self.ended = False
        self._clock = clock
        self._closed_after = closed_after

    def show(self, image):
        self.shown.append(image)
        self.times.append(module.time.monotonic())
        self.ended = len(self.shown) >= self._closed_after

    def wait(self, seconds):
        self._clock.now += max(seconds, 0.0)

    def hold(self, image):
        self.show(image)
        self.keys_awaited += 1


class FakeOutput:
    """A video or a log that keeps what is written."""

    def __init__(self):
        self.written = []

    def write(self, *arguments):
        self.written.append(arguments)


@pytest.fixture
def clock(monkeypatch):
    """The clock of the player; it goes by `clock.now`."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def recognize(frame):
    face = FaceEmotion(Box(8, 8, 24, 24), "happy", 1.0, HAPPY, None if frame.still else 1)
    return FrameResult([face], frame.time, 64, 48, 1.0, 1.0, full_scan=True)


def pixels(images):
    return [int(image[0, 0, 0]) for image in images]


def test_every_frame_of_a_clip_is_written_with_its_time_and_logged_once(undrawn):
    video, log = FakeOutput(), FakeOutput()
    player = Player(recognize, StopRequest(), video=video, log=log)
    player.play(FakeSource(5))
    assert pixels(image for image, _ in video.written) == [0, 1, 2, 3, 4]
    assert [seconds for _, seconds in video.written] == [0.0, 0.01, 0.02, 0.03, 0.04]
    assert [index for index, _ in log.written] == [0, 1, 2, 3, 4]
    assert (player.summary.frames, player.summary.faces) == (5, 1)
    assert player.summary.seconds > 0


def test_images_are_written_one_after_the_other(undrawn):
    video = FakeOutput()
    Player(recognize, StopRequest(), video=video).play(FakeSource(3, still=True))
    assert [seconds for _, seconds in video.written] == [None] * 3


def test_a_live_source_is_written_by_time_and_its_dropped_frames_count_from_now_on(undrawn):
    source, video = FakeSource(3, live=True), FakeOutput()
    source.dropped = 50

    def slow(frame):
        source.dropped += 2
        return recognize(frame)

    player = Player(slow, StopRequest(), video=video)
    began = time.monotonic()
    player.play(source)
    times = [seconds for _, seconds in video.written]
    assert times == sorted(times)
    assert began <= times[0] <= times[-1] <= time.monotonic()
    assert player.summary.dropped == 6


@pytest.mark.parametrize(("live", "latency_ms"), [(True, 80.0), (False, 30.0)])
def test_latency_counts_from_the_capture_of_a_live_frame_and_from_the_reading_of_another(
    undrawn, clock, live, latency_ms
):
    class Late(FakeSource):
        def __iter__(self):
            for frame in super().__iter__():
                clock.now += 0.05
                yield frame

    def slow(frame):
        clock.now += 0.03
        return recognize(frame)

    player = Player(slow, StopRequest())
    player.play(Late(3, live=live))
    assert player.fps_meter.latency_ms == pytest.approx(latency_ms)


def test_it_ends_after_so_many_frames(undrawn):
    player = Player(recognize, StopRequest())
    player.play(FakeSource(5), max_frames=3)
    assert player.summary.frames == 3


def test_it_ends_when_the_window_is_closed(undrawn, clock):
    window = FakeWindow(clock, closed_after=2)
    player = Player(recognize, StopRequest(), window=window)
    player.play(FakeSource(5))
    assert player.summary.frames == 2


def test_frames_are_mirrored_before_they_are_recognised(undrawn, clock):
    source = FakeSource(1)
    frame = next(iter(source))
    frame.image[:, :10] = 200
    seen = []

    def look(frame):
        seen.append(frame.image)
        return recognize(frame)

    source.__class__ = type("Recorded", (FakeSource,), {"__iter__": lambda self: iter([frame])})
    window = FakeWindow(clock)
    Player(look, StopRequest(), mirror=True, window=window).play(source)
    for image in (*seen, *window.shown):
        assert (image[:, -10:] == 200).all()
        assert (image[:, :10] == 0).all()


def test_a_clip_is_shown_no_faster_than_it_was_taken(undrawn, clock):
    window = FakeWindow(clock)

    def slow_once(frame):
        clock.now += 0.2 if frame.index == 5 else 0.01
        return recognize(frame)

    Player(slow_once, StopRequest(), window=window).play(FakeSource(12, rate=25.0))
    assert np.diff(window.times) == pytest.approx([0.04] * 4 + [0.2] + [0.04] * 6)


def test_a_live_source_is_shown_at_once(undrawn, clock):
    window = FakeWindow(clock)

    def slow(frame):
        clock.now += 0.01
        return recognize(frame)

    Player(slow, StopRequest(), window=window).play(FakeSource(4, live=True, rate=1.0))
    assert np.diff(window.times) == pytest.approx(0.01)


def test_without_a_window_a_clip_runs_as_fast_as_it_can(undrawn, clock):
    player = Player(recognize, StopRequest())
    player.play(FakeSource(20, rate=5.0))
    assert player.summary.frames == 20
    assert player.summary.seconds == 0


def test_images_wait_for_a_key_each_and_have_no_status(undrawn, clock):
    window = FakeWindow(clock)
    player = Player(recognize, StopRequest(), window=window)
    player.play(FakeSource(3, still=True, rate=1.0))
    assert window.keys_awaited == 3
    assert undrawn == [None, None, None]
    assert player.summary.seconds == 0
    assert player.summary.faces == 3


def test_the_status_shows_measured_numbers(undrawn, clock):
    def slow(frame):
        clock.now += 0.02
        return recognize(frame)

    Player(slow, StopRequest(), video=FakeOutput()).play(FakeSource(20))
    assert undrawn[-1] == status_text(50.0, 20.0)


def test_nothing_is_drawn_where_nobody_looks(undrawn):
    Player(recognize, StopRequest(), log=FakeOutput()).play(FakeSource(3))
    assert undrawn == []


def test_faces_are_drawn():
    video = FakeOutput()
    Player(recognize, StopRequest(), video=video).play(FakeSource(1))
    assert len(np.unique(video.written[0][0])) > 1


def test_a_request_to_stop_is_answered_after_the_frame_at_hand(undrawn):
    log = FakeOutput()

    def interrupted(frame):
        if frame.index == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return recognize(frame)

    with stop_request() as stop:
        Player(interrupted, stop, log=log).play(FakeSource(5))
    assert len(log.written) == 3
    assert stop.signum == signal.SIGTERM


def test_a_request_to_stop_ends_the_wait_for_a_frame(undrawn):
    class Hanging(FakeSource):
        def __iter__(self):
            yield from super().__iter__()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            pytest.fail("was waited for")

    with stop_request() as stop:
        player = Player(recognize, stop)
        player.play(Hanging(2))
    assert player.summary.frames == 2


def test_what_came_before_a_source_broke_down_counts(undrawn):
    class Broken(FakeSource):
        def __iter__(self):
            yield from super().__iter__()
            raise SourceError("camera 0: gone")

    log = FakeOutput()
    player = Player(recognize, StopRequest(), log=log)
    with pytest.raises(SourceError, match="gone"):
        player.play(Broken(2))
    assert len(log.written) == player.summary.frames == 2
    assert player.summary.seconds > 0


def test_somebody_may_follow_it_frame_by_frame(undrawn):
    player = Player(recognize, StopRequest())
    counts = []
    player.play(FakeSource(3), on_progress=lambda: counts.append(player.summary.frames))
    assert counts == [1, 2, 3]


@pytest.fixture
def unplugged(fake_capture, plain, request):
    """A camera that gives one frame, and never comes back; a parameter states the seconds until it is given up."""

    def connect():
        raise SourceError("not there")

    patience = getattr(request, "param", np.inf)
    with LiveSource(fake_capture([plain(0, 48, 64)]), "camera 0", connect, give_up_after=patience) as source:
        yield source


class PatientWindow(FakeWindow):
    """A window at which the person waits, and then does something."""

    def __init__(self, deed):
        super().__init__()
        self.waits = 0
        self._deed = deed

    def wait(self, seconds):
        assert seconds == 0
        self.waits += 1
        if self.waits == 4:
            self._deed(self)


def test_the_window_can_be_closed_while_the_camera_is_away(undrawn, unplugged):
    window = PatientWindow(lambda window: setattr(window, "ended", True))
    player = Player(recognize, StopRequest(), window=window)
    player.play(unplugged)
    assert (player.summary.frames, window.waits) == (1, 4)
    assert player.summary.seconds > 0.15  # it waited between two looks at the window


def test_a_request_to_stop_is_answered_at_the_window_while_the_camera_is_away(undrawn, unplugged):
    window = PatientWindow(lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with stop_request() as stop:
        player = Player(recognize, stop, window=window)
        player.play(unplugged)
    assert (player.summary.frames, window.waits) == (1, 4)


@pytest.mark.parametrize("unplugged", [0.2], indirect=True)
def test_a_camera_that_is_given_up_ends_the_play_at_the_window(undrawn, unplugged):
    player = Player(recognize, StopRequest(), window=PatientWindow(lambda _: None))
    with pytest.raises(SourceError, match=r"gave no frame for 0\.2 s"):
        player.play(unplugged)
    assert player.summary.frames == 1
