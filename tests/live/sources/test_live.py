import itertools
import logging
import math
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.sources import live
from femo_jax.live.sources.live import LiveSource, camera_number, open_camera


def _never():
    raise SourceError("not there")


def _until(condition, limit=60.0):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def _source(capture, connect=_never, **kwargs):
    return LiveSource(capture, "camera 7", connect, **{"first_pause": 0.01, "longest_pause": 0.04, **kwargs})


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Closing hardly waits for readers that hang."""
    monkeypatch.setattr("femo_jax.live.sources.live._CLOSING", 0.05)


@pytest.fixture
def gate():
    """An event that a capture waits for; it is set at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


def test_only_the_newest_frame_is_handed_over(fake_capture, plain, gate):
    taken = threading.Event()

    def frames():
        yield from (plain(value) for value in range(5))
        taken.wait(10)
        yield plain(99)
        gate.wait(10)

    with _source(fake_capture(frames())) as source:
        _until(lambda: source.dropped == 4)
        iterator = iter(source)
        first = next(iterator)
        assert (first.index, first.image[0, 0, 0], first.name, first.still) == (4, 4, "camera 7", False)
        taken.set()
        second = next(iterator)
        assert (second.index, second.image[0, 0, 0]) == (5, 99)
        assert source.dropped == 4
        assert source.live
        assert source.frames_per_second == 30


def test_time_is_that_of_the_grab(fake_capture, plain, gate):
    def frames():
        yield plain(0)
        gate.wait(10)

    before = time.monotonic()
    with _source(fake_capture(frames())) as source:
        after = time.monotonic()
        time.sleep(0.05)
        assert before <= next(iter(source)).time <= after


def test_a_source_that_vanishes_is_opened_again(fake_capture, plain, gate, caplog):
    def second():
        yield plain(2)
        gate.wait(10)

    captures = [fake_capture([plain(1)]), fake_capture([]), fake_capture(second())]
    waiting = iter([SourceError("still away"), *captures[1:]])

    def connect():
        result = next(waiting)
        if isinstance(result, Exception):
            raise result
        return result

    with _source(captures[0], connect) as source:
        seen = []
        for frame in source:
            seen.append((frame.index, int(frame.image[0, 0, 0])))
            if seen[-1][1] == 2:
                break
    assert seen[-1] == (1, 2)
    assert [capture.released for capture in captures[:2]] == [True, True]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "camera 7: gives no more frames; femo tries to open it again for 30 s." in caplog.text
    assert "camera 7: is back after" in caplog.text


def test_pauses_grow_up_to_a_limit(fake_capture, plain, monkeypatch):
    pauses = []

    class Event(threading.Event):
        def wait(self, timeout=None):
            pauses.append(timeout)
            return super().wait(0.001)

    monkeypatch.setattr(live, "threading", SimpleNamespace(**{**vars(threading), "Event": Event}))
    with _source(fake_capture([plain(0)]), first_pause=50, longest_pause=200, give_up_after=math.inf):
        _until(lambda: len(pauses) >= 5)
    assert pauses[:5] == [50, 100, 200, 200, 200]


def test_it_is_given_up_after_the_limit(fake_capture, plain):
    began = time.monotonic()
    with _source(fake_capture([plain(0)]), give_up_after=0.3) as source:
        iterator = iter(source)
        assert next(iterator).index == 0
        with pytest.raises(SourceError, match=r"camera 7: gave no frame for 0.3 s; [1-9]\d* attempts to open it again"):
            next(iterator)
        assert time.monotonic() - began >= 0.3
        assert list(source) == []


def test_it_is_never_given_up_if_so_wanted(fake_capture, plain, gate, caplog):
    def second():
        yield plain(2)
        gate.wait(10)

    attempts = []

    def connect():
        attempts.append(0)
        if len(attempts) < 10:
            raise SourceError("not there")
        return fake_capture(second())

    with _source(fake_capture([plain(1)]), connect, give_up_after=math.inf) as source:
        assert [int(frame.image[0, 0, 0]) for _, frame in zip(range(2), source, strict=False)] == [1, 2]
    assert "open it again." in caplog.text


@pytest.mark.parametrize("frames", [[], itertools.repeat(None), [cv2.error("broken")]])
def test_a_source_without_a_first_frame_is_an_error_at_once(fake_capture, frames):
    capture = fake_capture(frames)
    with pytest.raises(SourceError, match="camera 7: can be opened but gives no frames"):
        _source(capture, lambda: pytest.fail("opened again"))
    assert capture.released


def test_damaged_frames_are_left_out(fake_capture, plain, gate):
    def frames():
        yield from (None, plain(1), None, None, plain(2))
        gate.wait(10)

    with _source(fake_capture(frames())) as source:
        _until(lambda: source.dropped == 1)
        frame = next(iter(source))
        assert (frame.index, frame.image[0, 0, 0]) == (1, 2)


@pytest.mark.parametrize("broken", [[None] * 1000, [cv2.error("broken")]])
def test_a_capture_that_only_gives_damage_is_opened_again(fake_capture, plain, gate, broken):
    def second():
        yield plain(2)
        gate.wait(10)

    with _source(fake_capture([plain(1), *broken]), lambda: fake_capture(second())) as source:
        _until(lambda: source.dropped == 1)
        assert next(iter(source)).image[0, 0, 0] == 2


def test_a_reader_that_hangs_does_not_hold_up_closing(fake_capture, plain, gate):
    def frames():
        yield plain(0)
        gate.wait(10)

    capture = fake_capture(frames())
    source = _source(capture)
    source.close()
    assert not capture.released  # its thread is inside it
    gate.set()
    _until(lambda: capture.released)


@pytest.mark.parametrize("waits", [False, True])
def test_a_reader_that_hangs_is_given_up(fake_capture, plain, gate, waits):
    def frames():
        yield plain(0)
        gate.wait(10)

    capture = fake_capture(frames())
    source = _source(capture, give_up_after=0.2)
    iterator = iter(source)
    next(iterator)
    if waits:
        source.wait(60)  # which ends when the source is given up
        assert source.wait(60)
        assert not capture.released  # its thread hangs still
    with pytest.raises(SourceError, match=r"gave no frame for 0\.2 s"):
        next(iterator)


def test_closing_ends_the_wait_for_a_frame(fake_capture, plain, gate, monkeypatch):
    monkeypatch.setattr("femo_jax.live.sources.live._LOOK_EVERY", 600.0)

    def frames():
        yield plain(0)
        gate.wait(10)

    capture = fake_capture(frames())
    source = _source(capture)
    iterator = iter(source)
    next(iterator)
    threading.Timer(0.05, source.close).start()
    assert next(iterator, None) is None
    assert not capture.released  # its thread waits still


def test_a_closed_source_gives_no_frame(fake_capture, plain, gate):
    def frames():
        yield plain(0)
        gate.wait(10)

    source = _source(fake_capture(frames()))
    source.close()
    assert list(source) == []


def test_closing_while_it_is_away_ends_the_attempts(fake_capture, plain):
    attempts = []

    def connect():
        attempts.append(0)
        raise SourceError("not there")

    source = _source(fake_capture([plain(0)]), connect)
    _until(lambda: len(attempts) > 2)
    source.close()
    _until(lambda: not source._thread.is_alive())


def test_a_wait_is_over_in_time_or_when_there_is_something_to_take(fake_capture, plain, gate):
    def frames():
        yield plain(0)
        gate.wait(10)
        yield plain(1)
        while not closed.wait(0.01):
            yield None

    closed = threading.Event()
    source = _source(fake_capture(frames()), give_up_after=math.inf)
    iterator = iter(source)
    assert source.wait(600)
    next(iterator)
    began = time.monotonic()
    assert not source.wait(0.05)
    assert time.monotonic() - began >= 0.05
    threading.Timer(0.05, gate.set).start()
    assert source.wait(600)
    assert next(iterator).index == 1
    closed.set()
    source.close()
    assert source.wait(600)
    assert time.monotonic() - began < 600


@pytest.fixture
def devices(tmp_path):
    """A folder of device files, with cameras 0, 2 and 10."""
    for number in (10, 0, 2):
        (tmp_path / f"video{number}").touch()
    (tmp_path / "videodev").touch()
    return tmp_path


def _closed(fake_capture):
    return lambda number: fake_capture(opened=False)


def test_a_camera_that_is_not_there_names_those_that_are(fake_capture, devices):
    with pytest.raises(SourceError, match=r"camera 1: there is no \S+/video1; this machine has 0, 2, 10\."):
        open_camera(1, capture=_closed(fake_capture), devices=devices)


def test_a_machine_without_cameras(fake_capture, tmp_path):
    with pytest.raises(SourceError, match=r"camera 0: this machine has no \S+/video\*"):
        open_camera(0, capture=_closed(fake_capture), devices=tmp_path)


def test_a_camera_in_use(fake_capture, devices):
    with pytest.raises(SourceError, match=r"camera 2: \S+/video2 cannot be opened\. It may be in use"):
        open_camera(2, capture=_closed(fake_capture), devices=devices)


def test_a_camera_of_another_group(fake_capture, devices, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SourceError, match=r"camera 2: \S+/video2 may not be used by this user\. .* group video"):
        open_camera(2, capture=_closed(fake_capture), devices=devices)


def test_the_real_opencv_finds_no_camera_99():
    with pytest.raises(SourceError, match="camera 99: "):
        open_camera(99)


def test_an_opened_camera_keeps_its_own_settings(fake_capture, plain):
    numbers, capture = [], fake_capture(itertools.repeat(plain(1)))
    with open_camera(3, capture=lambda number: numbers.append(number) or capture) as source:
        frame = next(iter(source))
    assert numbers == [3]
    assert frame.name == "camera 3"
    assert capture.asked == []


def test_size_and_rate_are_asked_for(fake_capture, plain, caplog):
    given = {cv2.CAP_PROP_FRAME_WIDTH: 1280.0, cv2.CAP_PROP_FRAME_HEIGHT: 720.0}
    capture = fake_capture(itertools.repeat(plain(1)), given)
    open_camera(0, (1280, 720), 60, capture=lambda number: capture).close()
    assert capture.asked[0][0] == cv2.CAP_PROP_FOURCC  # the others are chosen among those of the format
    asked = dict(capture.asked)
    assert asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert asked[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert asked[cv2.CAP_PROP_FPS] == 60
    assert int(asked[cv2.CAP_PROP_FOURCC]).to_bytes(4, "little") == b"MJPG"
    assert not caplog.records


def test_another_size_than_asked_for_is_reported(fake_capture, plain, caplog):
    given = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
    open_camera(0, (1280, 720), capture=lambda number: fake_capture(itertools.repeat(plain(1)), given)).close()
    assert "camera 0: gives 640 x 480 pixels, asked for 1280 x 720." in caplog.text


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/dev/video0", 0),
        ("/dev/video12", 12),
        ("/dev/video", None),
        ("/dev/other/video0", None),
        ("/dev/null", None),
        ("video0", None),
    ],
)
def test_device_files_have_a_number(path, number):
    assert camera_number(Path(path)) == number
