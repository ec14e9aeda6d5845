import re
import subprocess
import sys

import av
import numpy as np
import pytest

from femo_jax.errors import ConfigError, FemoError
from femo_jax.live.output.video import CODECS, VideoWriter
from femo_jax.live.sources.clips import open_clip


def _gradient(width, height):
    row = np.linspace(20, 220, width)[None, :, None]
    column = np.linspace(0.4, 1, height)[:, None, None]
    return (row * column * np.array([1, 0.9, 0.8])).astype(np.uint8)


def _read(path):
    with open_clip(path) as source:
        return [frame.image for frame in source], source.frames_per_second


@pytest.mark.parametrize("suffix", CODECS)
def test_a_clip_reads_back(tmp_path, suffix):
    path = tmp_path / "new folder" / f"Gesicht ä%d: 1{suffix.upper()}"
    frames = [np.roll(_gradient(160, 120), 8 * index, axis=1) for index in range(6)]
    with VideoWriter(path, 29.97) as video:
        for frame in frames:
            video.write(frame)
        assert not path.exists()
        assert video.frames == 6
    images, rate = _read(path)
    assert rate == pytest.approx(29.97, rel=1e-4)
    assert len(images) == 6
    for image, frame in zip(images, frames, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 4
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_relative_path_with_a_colon_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with VideoWriter("http:a.mp4", 25) as video:
        video.write(_gradient(64, 48))
    assert len(_read(tmp_path / "http:a.mp4")[0]) == 1


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize(("width", "height"), [(161, 121), (64, 33), (1, 1), (5, 300), (18, 16)])
def test_any_size_keeps_all_its_pixels(tmp_path, suffix, width, height):
    frame = _gradient(width, height)
    with VideoWriter(tmp_path / f"a{suffix}", 25) as video:
        for _ in range(3):
            video.write(frame)
    images, _ = _read(tmp_path / f"a{suffix}")
    assert len(images) == 3
    h, w = images[0].shape[:2]
    assert w == max(16, width + width % 2)
    assert h == max(16, height + height % 2)
    assert np.abs(images[0][:height, :width].astype(int) - frame).mean() < 6


@pytest.mark.parametrize("rate", [0.1, 1, 23.976, 66.66667, 123.456, 655.36, 1000])
@pytest.mark.parametrize("suffix", CODECS)
def test_rates(tmp_path, suffix, rate):
    with VideoWriter(tmp_path / f"a{suffix}", rate) as video:
        for _ in range(4):
            video.write(np.zeros((1, 1, 3), np.uint8))
    images, announced = _read(tmp_path / f"a{suffix}")
    assert len(images) == 4
    assert announced == pytest.approx(rate, rel=1e-3)


def test_grey_and_mirrored_frames(tmp_path):
    frame = _gradient(64, 48)
    with VideoWriter(tmp_path / "a.avi", 25) as video:
        video.write(frame[..., 0])
        video.write(frame[..., :1])
        video.write(frame[:, ::-1])
    images, _ = _read(tmp_path / "a.avi")
    assert np.abs(images[0].astype(int) - frame[..., :1]).mean() < 4
    assert np.abs(images[1].astype(int) - images[0]).mean() < 1
    assert np.abs(images[2].astype(int) - frame[:, ::-1]).mean() < 4


def test_frames_of_another_size_are_fitted_between_bars(tmp_path):
    with VideoWriter(tmp_path / "a.avi", 25) as video:
        for shape in ((48, 64), (96, 64), (24, 64), (480, 640)):
            video.write(np.full((*shape, 3), 200, np.uint8))
    images, _ = _read(tmp_path / "a.avi")
    assert {image.shape for image in images} == {(48, 64, 3)}
    assert (images[0] > 190).all()
    assert (images[3] > 190).all()
    upright = images[1].mean(axis=(0, 2))
    assert upright[:12].max() < 20
    assert upright[20:44].min() > 190
    assert upright[52:].max() < 20
    flat = images[2].mean(axis=(1, 2))
    assert flat[:8].max() < 20
    assert flat[16:32].min() > 190
    assert flat[40:].max() < 20


def test_with_times_the_clip_lasts_as_long_as_the_world(tmp_path):
    with VideoWriter(tmp_path / "a.avi", 10) as video:
        for value, time in ((10, 5.0), (60, 5.1), (110, 5.4), (160, 5.42), (210, 5.5)):
            video.write(np.full((48, 64, 3), value, np.uint8), time)
    images, _ = _read(tmp_path / "a.avi")
    np.testing.assert_allclose([image.mean() for image in images], [10, 60, 60, 60, 110, 160, 210], atol=3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_frame_has_its_time(tmp_path, suffix):
    times = [5.0, 5.04, 5.2, 5.233, 5.234, 6.0]
    with VideoWriter(tmp_path / f"a{suffix}", 25) as video:
        for time in times:
            video.write(np.full((48, 64, 3), 40 * len(times), np.uint8), time)
    with open_clip(tmp_path / f"a{suffix}") as source:
        np.testing.assert_allclose([frame.time for frame in source], np.array(times) - 5, atol=1e-3)
    with av.open(str(tmp_path / f"a{suffix}")) as clip:  # as players see it, which do not subtract the first one's time
        seconds = [frame.time for frame in clip.decode(video=0)]
    np.testing.assert_allclose(seconds, np.array(times) - 5, atol=1e-3)


def test_frames_of_one_time_are_all_written(tmp_path):
    for suffix in CODECS:
        with VideoWriter(tmp_path / f"a{suffix}", 25) as video:
            for time in (0.0, 0.0, 0.001, 0.0, 0.002):
                video.write(np.zeros((48, 64, 3), np.uint8), time)
        assert len(_read(tmp_path / f"a{suffix}")[0]) == 5


def test_a_long_pause_becomes_a_second(tmp_path):
    with VideoWriter(tmp_path / "a.avi", 10) as video:
        for time in (0.0, 1e9, 3.0, 3.1):
            video.write(np.zeros((48, 64, 3), np.uint8), time)
        assert video.frames == 13


def test_the_longest_gap_is_an_option(tmp_path):
    with VideoWriter(tmp_path / "a.avi", 10, longest_gap=60.0) as video:
        for time in (0.0, 5.0, 200.0):
            video.write(np.zeros((48, 64, 3), np.uint8), time)
        assert video.frames == 651


def test_a_frame_that_is_repeated_is_kept_as_it_was(tmp_path):
    buffer = np.full((48, 64, 3), 10, np.uint8)
    with VideoWriter(tmp_path / "a.avi", 10) as video:
        video.write(buffer, 0.0)
        buffer[:] = 200
        video.write(buffer, 0.3)
    assert [round(image.mean(), -1) for image in _read(tmp_path / "a.avi")[0]] == [10, 10, 10, 200]


def test_an_error_keeps_the_older_clip_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError), VideoWriter(path, 25) as video:
        video.write(_gradient(64, 48))
        raise RuntimeError
    assert path.read_bytes() == b"older"
    assert [*tmp_path.iterdir()] == [path]


def test_an_interruption_keeps_what_was_recorded(tmp_path):
    path = tmp_path / "a.mp4"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 25) as video:
        video.write(_gradient(64, 48))
        raise KeyboardInterrupt
    assert len(_read(path)[0]) == 1


def test_no_frames_leave_no_file(tmp_path):
    with VideoWriter(tmp_path / "new" / "a.mp4", 25):
        pass
    assert not (tmp_path / "new").exists()


def test_a_closed_clip_takes_no_frames(tmp_path):
    video = VideoWriter(tmp_path / "a.mp4", 25)
    video.write(_gradient(64, 48))
    video.close()
    video.close()
    video.discard()
    assert len(_read(tmp_path / "a.mp4")[0]) == 1
    with pytest.raises(ValueError, match="closed"):
        video.write(_gradient(64, 48))


@pytest.mark.parametrize("name", ["a.mov", "a", "a.jpg"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"femo writes clips as \.mp4, \.mkv, \.avi"):
        VideoWriter(tmp_path / name, 25)


@pytest.mark.parametrize("rate", [0, -1, 1001, float("nan"), float("inf")])
def test_rates_that_make_no_sense_are_refused(tmp_path, rate):
    with pytest.raises(ConfigError, match=r"frames a second; expected 0\.1 to 1000"):
        VideoWriter(tmp_path / "a.mp4", rate)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros((0, 4, 3), np.uint8)])
def test_other_arrays_are_refused(tmp_path, image):
    with pytest.raises(ValueError, match="cannot write"):
        VideoWriter(tmp_path / "a.mp4", 25).write(image)


def test_a_frame_too_large_for_the_codec_is_an_error(tmp_path):
    with pytest.raises(FemoError, match=r"a\.mp4: a clip of 17000 x 16 pixels cannot be encoded as \.mp4 .* Try \.avi"):
        VideoWriter(tmp_path / "a.mp4", 25).write(np.zeros((16, 17000, 3), np.uint8))
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FemoError, match=r"a\.mp4: cannot be written"):
        VideoWriter(tmp_path / "file" / "a.mp4", 25).write(_gradient(64, 48))


_FULL = """
import resource, sys
import numpy as np
from femo_jax.errors import FemoError
from femo_jax.live.output.video import VideoWriter
rng = np.random.default_rng(0)
for path, limit in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with VideoWriter(path, 25) as video:
            for index in range(100):
                video.write(rng.integers(0, 255, (120, 160, 3)).astype(np.uint8))
    except FemoError as error:
        print(index, error)
"""


@pytest.mark.integration
def test_a_full_disk_is_noticed_and_what_can_be_played_is_kept(tmp_path):
    paths = [tmp_path / f"a{suffix}" for suffix in CODECS]
    full = tmp_path / "full.mp4"
    arguments = []
    for path in (*paths, full):
        path.write_bytes(b"older")
        arguments += [path, "900" if path == full else "700000"]
    result = subprocess.run([sys.executable, "-c", _FULL, *arguments], capture_output=True, text=True, timeout=300)
    *lines, last = result.stdout.splitlines()
    for path, line in zip(paths, lines, strict=True):
        index, message = line.split(" ", 1)
        assert int(index) < 99  # it ended when the disk was full, not with the last frame
        frames = int(re.search(r"recording ended after (\d+) frames \(File too large\); they are kept", message)[1])
        assert len(_read(path)[0]) == frames > 0
    assert "nothing of it can be played. Make room" in last
    assert full.read_bytes() == b"older"
    assert {*tmp_path.iterdir()} == {*paths, full}


def test_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / "caf\udce9.mp4"
    with VideoWriter(path, 25) as video:
        video.write(_gradient(64, 48))
    assert len(_read(path)[0]) == 1


def test_letterboxing_never_loses_a_frame_of_extreme_shape(tmp_path):
    with VideoWriter(tmp_path / "a.avi", 25) as video:
        video.write(_gradient(64, 48))
        video.write(np.zeros((1, 3000, 3), np.uint8))
        video.write(np.zeros((3000, 1, 3), np.uint8))
    assert len(_read(tmp_path / "a.avi")[0]) == 3
