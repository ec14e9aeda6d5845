import itertools

import cv2
import numpy as np
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.sources.clips import ClipSource, open_clip


def test_every_frame_in_order_with_its_time(write_clip, caplog):
    path = write_clip(range(0, 250, 10), rate=25)
    with open_clip(path) as source:
        frames = list(source)
        assert not source.live
        assert source.dropped == 0
        assert source.frames_per_second == 25
    assert [frame.index for frame in frames] == [*range(25)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(25) / 25, atol=1e-6)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], np.arange(0, 250, 10), atol=3)
    assert {frame.name for frame in frames} == {str(path)}
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8
    assert not caplog.records


def test_a_relative_path_with_a_colon_is_no_address(write_clip, tmp_path, monkeypatch):
    write_clip([1, 2, 3], name="http:%d é.avi")
    monkeypatch.chdir(tmp_path)
    with open_clip(next(tmp_path.iterdir()).relative_to(tmp_path)) as source:
        assert len(list(source)) == 3


def test_a_variable_rate_keeps_its_times(fake_capture, plain):
    positions = itertools.chain([0.0, 40.0, 200.0, 233.0], itertools.repeat(0.0))
    capture = fake_capture([plain(0)] * 4, {cv2.CAP_PROP_POS_MSEC: positions})
    assert [frame.time for frame in ClipSource(capture, "clip")] == [0, 0.04, 0.2, 0.233]


@pytest.mark.parametrize("position", [0.0, float("nan"), float("inf"), -5.0])
def test_a_time_that_stands_still_follows_from_the_rate(fake_capture, plain, position):
    capture = fake_capture([plain(0)] * 4, {cv2.CAP_PROP_FPS: 20, cv2.CAP_PROP_POS_MSEC: position})
    np.testing.assert_allclose([frame.time for frame in ClipSource(capture, "clip")], [0, 0.05, 0.1, 0.15])


@pytest.mark.parametrize("rate", [0.0, float("nan"), 90000.0])
def test_a_clip_without_a_usable_rate_is_told(fake_capture, plain, caplog, rate):
    source = ClipSource(fake_capture([plain(0)] * 3, {cv2.CAP_PROP_FPS: rate}), "old.avi")
    assert source.frames_per_second == 30
    np.testing.assert_allclose([frame.time for frame in source], [0, 1 / 30, 2 / 30])
    assert "old.avi: announces no usable frame rate; 30 frames a second are assumed." in caplog.text


def test_a_clip_that_is_cut_off_ends_with_what_there_is(write_clip, caplog):
    whole = write_clip(range(0, 200, 2))
    contents = whole.read_bytes()
    whole.write_bytes(contents[: int(0.8 * len(contents))])
    with open_clip(whole) as source:
        count = len(list(source))
    assert 50 < count < 95
    assert f"{whole}: ends after {count} of 100 frames; it is cut off or damaged." in caplog.text


def test_a_whole_clip_of_variable_rate_is_not_taken_for_damaged(fake_capture, plain, caplog):
    """Fifty frames in five seconds, announced as those of its highest rate."""
    announced = {cv2.CAP_PROP_FPS: 60.0, cv2.CAP_PROP_FRAME_COUNT: 300.0}

    def play(count):
        positions = iter(100.0 * index for index in range(count))
        capture = fake_capture([plain(0)] * count, announced | {cv2.CAP_PROP_POS_MSEC: positions})
        return len(list(ClipSource(capture, "screen.mkv")))

    assert play(50) == 50
    assert not caplog.records
    assert play(30) == 30
    assert "screen.mkv: ends after 30 of 300 frames" in caplog.text


def test_a_clip_that_is_left_early_is_not_taken_for_damaged(write_clip, caplog):
    with open_clip(write_clip(range(100))) as source:
        for frame in source:
            if frame.index == 3:
                break
    assert list(source) == []
    assert not caplog.records


def test_a_second_loop_goes_on(write_clip):
    with open_clip(write_clip(range(0, 60, 10))) as source:
        first = [frame.index for frame, _ in zip(source, range(2), strict=False)]
        assert first + [frame.index for frame in source][-3:] == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("contents", [b"", b"no clip at all " * 100])
def test_what_is_no_clip_is_an_error(tmp_path, contents):
    path = tmp_path / "clip.mp4"
    path.write_bytes(contents)
    with pytest.raises(SourceError, match=r"clip\.mp4: neither a picture nor a clip that can be read"):
        open_clip(path)


def test_a_clip_without_a_frame_is_an_error(write_clip, fake_capture):
    capture = fake_capture([])
    with pytest.raises(SourceError, match="clip: holds no frame that can be read"):
        ClipSource(capture, "clip")
    assert capture.released


def test_a_frame_that_opencv_stumbles_over_ends_the_clip(fake_capture, plain):
    capture = fake_capture([plain(0), plain(1), cv2.error("broken")])
    assert len(list(ClipSource(capture, "clip"))) == 2


def test_closing_lets_go_of_the_file(fake_capture, plain):
    capture = fake_capture([plain(0)] * 9)
    with ClipSource(capture, "clip") as source:
        next(iter(source))
    assert capture.released
