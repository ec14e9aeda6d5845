import itertools
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.errors import ConfigError, SourceError
from femo_jax.live.sources import open_source
from femo_jax.live.sources.group import SourceGroup, source_names
from femo_jax.live.sources.images import ImageSource
from femo_jax.live.sources.live import LiveSource


def connect():
    raise SourceError("not there")


@pytest.fixture
def camera(fake_capture, plain):
    """Makes a live source that gives each value when a test releases it; `give(value)` does."""
    opened = []

    class Camera:
        def __init__(self, name, give_up_after):
            self._values = [plain(1)]
            self._released = threading.Semaphore(1)
            self._ended = False
            self.source = LiveSource(fake_capture(self._frames()), name, connect, give_up_after=give_up_after)
            opened.append(self)

        def _frames(self):
            for index in itertools.count():
                self._released.acquire()
                if self._ended:
                    return
                yield self._values[index]

        def give(self, value):
            before = self.source._frames
            self._values.append(plain(value))
            self._released.release()
            while self.source._frames == before:
                time.sleep(0.001)

        def unplug(self):
            self._ended = True
            self._released.release()

    def make(name="camera 0", give_up_after=60.0):
        return Camera(name, give_up_after)

    yield make
    for each in opened:
        each.unplug()
        each.source.close()


def values(frames):
    return {number: int(frame.image[0, 0, 0]) for number, frame in frames.items()}


def test_a_round_has_the_newest_frame_of_each_camera_that_has_a_new_one(camera):
    front, rear = camera(), camera()
    rounds = iter(SourceGroup([front.source, rear.source], ["front", "rear"]))
    assert values(next(rounds)) == {0: 1, 1: 1}
    rear.give(5)
    assert values(next(rounds)) == {1: 5}
    front.give(6)
    front.give(7)
    rear.give(8)
    assert values(next(rounds)) == {0: 7, 1: 8}
    assert (front.source.dropped, rear.source.dropped) == (1, 0)


def test_a_frame_ends_the_wait_for_one(camera):
    front, rear = camera(), camera()
    group = SourceGroup([front.source, rear.source], ["front", "rear"])
    assert group.wait(0.0)
    rounds = iter(group)
    next(rounds)
    assert not group.wait(0.05)
    threading.Timer(0.1, rear.give, [3]).start()
    began = time.monotonic()
    assert group.wait(60.0)
    assert time.monotonic() - began < 30
    assert values(next(rounds)) == {1: 3}


def test_a_camera_that_is_given_up_is_reported_and_the_other_goes_on(camera, caplog):
    front, rear = camera("front", give_up_after=0.3), camera("rear")
    group = SourceGroup([front.source, rear.source], ["front", "rear"])
    rounds = iter(group)
    next(rounds)
    front.unplug()
    while group.given_up != {0}:
        rear.give(4)
        assert values(next(rounds)) == {1: 4}
        time.sleep(0.02)
    assert "front: gave no frame for 0.3 s" in caplog.text
    assert "The other sources are played on." in caplog.text
    rear.give(9)
    assert values(next(rounds)) == {1: 9}


def test_the_last_camera_that_is_given_up_ends_it_with_an_error(camera):
    front, rear = camera("front", give_up_after=0.2), camera("rear", give_up_after=0.4)
    group = SourceGroup([front.source, rear.source], ["front", "rear"])
    rounds = iter(group)
    next(rounds)
    front.unplug()
    rear.unplug()
    with pytest.raises(SourceError, match="rear: gave no frame for"):
        next(rounds)
    assert group.given_up == {0, 1}


def test_it_ends_when_the_cameras_are_closed(camera):
    front, rear = camera("front"), camera("rear")
    rounds = iter(SourceGroup([front.source, rear.source], ["front", "rear"]))
    next(rounds)
    for each in (front, rear):
        each.unplug()
        each.source.close()
    assert next(rounds, None) is None


def test_clips_have_a_common_clock_and_each_frame_comes_once(write_clip):
    fast = write_clip(range(0, 100, 10), "fast.avi", rate=25)
    slow = write_clip(range(5), "slow.avi", rate=10)
    with open_source(fast) as first, open_source(slow) as second:
        group = SourceGroup([first, second], ["fast", "slow"])
        assert group.wait(60.0)
        rounds = [{number: frame.time for number, frame in frames.items()} for frames in group]
    times = [min(each.values()) for each in rounds]
    assert times == sorted(times)
    assert [each[0] for each in rounds if 0 in each] == pytest.approx([0.04 * index for index in range(10)])
    assert [each[1] for each in rounds if 1 in each] == pytest.approx([0.1 * index for index in range(5)])
    assert [times[index] for index, each in enumerate(rounds) if len(each) == 2] == pytest.approx([0.0, 0.2])


def test_clips_of_one_rate_are_in_step(write_clip):
    paths = [write_clip(range(6), "a.avi", rate=30), write_clip(range(4), "b.mkv", rate=30, codec="mjpeg")]
    with open_source(paths[0]) as first, open_source(paths[1]) as second:
        rounds = [sorted(frames) for frames in SourceGroup([first, second], ["a", "b"])]
    assert rounds == [[0, 1]] * 4 + [[0]] * 2


def test_images_that_cannot_be_read_do_not_end_the_others(tmp_path, write_clip, caplog):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with open_source(write_clip(range(3))) as clip:
        group = SourceGroup([ImageSource([tmp_path / "broken.png"], 25.0), clip], ["images", "clip"])
        assert [sorted(frames) for frames in group] == [[1]] * 3
    assert group.given_up == {0}
    assert "broken.png" in caplog.text
    group = SourceGroup([ImageSource([tmp_path / "broken.png"], 25.0)], ["images"])
    with pytest.raises(SourceError, match=r"broken\.png"):
        next(iter(group))


def test_a_camera_beside_a_clip_is_refused(camera, write_clip):
    with (
        open_source(write_clip([1])) as clip,
        pytest.raises(ConfigError, match=r"clip\.avi is a clip, and camera 0 is live"),
    ):
        SourceGroup([clip, camera().source], ["clip.avi", "camera 0"])


def test_images_that_stand_alone_are_refused_beside_others(tmp_path, write_clip):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    with open_source(write_clip([1])) as clip:
        with pytest.raises(ConfigError, match=r"a\.png: images stand alone.*--rate FPS"):
            SourceGroup([clip, open_source(tmp_path / "a.png")], ["clip.avi", "a.png"])
        group = SourceGroup([clip, open_source(tmp_path / "a.png", rate=25)], ["clip.avi", "a.png"])
        assert [sorted(frames) for frames in group] == [[0, 1]]


def test_names_show_no_secrets_and_differ():
    specs = ["0", "2", "rtsp://me:secret@host/door", "rtsp://me:other@host/door", "clips/a.mp4"]
    assert source_names(specs) == [
        "camera 0",
        "camera 2",
        "rtsp://***@host/door",
        "rtsp://***@host/door (2)",
        str(Path("clips/a.mp4")),
    ]
