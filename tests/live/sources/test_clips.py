import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.sources import clips, open_source
from femo_jax.live.sources.clips import ClipSource, open_clip


def damage(path: Path, index: int) -> None:
    """Overwrites most of a frame of a clip in the middle of its file."""
    with av.open(str(path)) as clip:
        packet = [packet for packet in clip.demux() if packet.size][index]
        place, size = packet.pos, packet.size
    with path.open("r+b") as file:
        file.seek(place + 8)  # behind what the container has there
        file.write(b"\xff" * (size - 8))


def copied(source: Path, target: Path, start: float = 0.0, shift: float = 0.0) -> Path:
    """Copies the packets of a clip from a time on, with their times shifted, without decoding them."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None and packet.pts * packet.time_base >= start:
                packet.pts += round(shift / packet.time_base)
                packet.dts += round(shift / packet.time_base)
                packet.stream = stream
                written.mux(packet)
    return target


def test_every_frame_in_order_with_its_time(write_clip, caplog):
    path = write_clip(range(0, 250, 10), rate=25)
    with open_clip(path) as source:
        frames = list(source)
        assert not source.live
        assert source.dropped == 0
        assert source.frames_per_second == 25
    assert [frame.index for frame in frames] == [*range(25)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(25) / 25, atol=1e-6)
    np.testing.assert_allclose([frame.image[30:].mean() for frame in frames], np.arange(0, 250, 10), atol=3)
    assert {frame.name for frame in frames} == {str(path)}
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8
    assert not caplog.records


def test_a_relative_path_with_a_colon_is_no_address(write_clip, tmp_path, monkeypatch):
    write_clip([1, 2, 3], name="http:%d é.avi")
    monkeypatch.chdir(tmp_path)
    with open_clip(next(tmp_path.iterdir()).relative_to(tmp_path)) as source:
        assert len(list(source)) == 3


@pytest.mark.parametrize(("name", "codec"), [("clip.avi", "mjpeg"), ("clip.mp4", "mpeg4"), ("clip.webm", "libvpx")])
def test_a_damaged_frame_in_the_middle_does_not_end_the_clip(write_clip, caplog, capfd, name, codec):
    path = write_clip(range(0, 200, 5), name=name, codec=codec)
    damage(path, 20)
    with open_clip(path) as source:
        frames = list(source)
    assert capfd.readouterr() == ("", "")  # nor from FFmpeg's C code
    assert 38 <= len(frames) <= 40
    assert frames[-1].time == pytest.approx(39 / 25)
    if codec == "mjpeg":
        assert f"{path}: 1 damaged frame is left out." in caplog.text


def test_a_variable_rate_keeps_its_times(write_clip, caplog):
    times = [0, 0.04, 0.2, 0.233, 1.5]
    with open_clip(write_clip([10] * 5, name="clip.mkv", codec="mpeg4", times=times)) as source:
        np.testing.assert_allclose([frame.time for frame in source], times, atol=1e-6)
    assert not caplog.records


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv"])
def test_a_clip_that_does_not_start_at_zero_is_whole_and_its_times_begin_there(write_clip, tmp_path, caplog, name):
    path = copied(write_clip(range(50), name="a.mp4", codec="libx264"), tmp_path / name, shift=10)
    with open_clip(path) as source:
        np.testing.assert_allclose([frame.time for frame in source], np.arange(50) / 25, atol=2e-3)
    assert not caplog.records


def test_a_trimmed_clip_is_whole(write_clip, tmp_path, caplog):
    """Trimmed without encoding: the container hides what lies before the cut, back to a key frame."""
    whole = write_clip(range(0, 200, 2), name="a.mp4", codec="libx264")
    path = copied(whole, tmp_path / "trimmed.mp4", start=0.0, shift=-2.0)
    with open_clip(path) as source:
        frames = list(source)
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(50) / 25, atol=1e-3)
    assert frames[0].image[30:].mean() == pytest.approx(100, abs=4)
    assert not caplog.records


@pytest.mark.parametrize(("aspect", "shape"), [((2, 1), (48, 128)), ((1, 2), (96, 64)), ((1, 1000), (48, 64))])
def test_pixels_are_square(write_clip, aspect, shape):
    path = write_clip([50, 60], name="clip.mp4", codec="libx264", aspect=Fraction(*aspect))
    with open_clip(path) as source:
        assert [frame.image.shape[:2] for frame in source] == [shape] * 2


@pytest.mark.parametrize(("turn", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_a_clip_is_turned_upright(write_clip, turn, corner):
    with open_clip(write_clip([20], name="clip.mp4", codec="libx264", turn=turn)) as source:
        image = next(iter(source)).image
    assert image.shape[:2] == ((64, 48) if turn % 180 else (48, 64))
    marked = image.mean(axis=2) > 128
    assert marked[corner] and marked.mean() == pytest.approx(1 / 16, abs=0.02)


def test_a_mirrored_clip_is_shown_as_it_states(write_clip):
    path = write_clip([20], name="clip.mp4", codec="libx264")
    identity = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    before, matrix, after = path.read_bytes().rpartition(struct.pack(">9i", *identity))
    assert matrix
    path.write_bytes(before + struct.pack(">9i", -identity[0], *identity[1:]) + after)
    with open_clip(path) as source:
        marked = next(iter(source)).image.mean(axis=2) > 128
    assert marked[0, -1] and marked.mean() == pytest.approx(1 / 16, abs=0.02)


def test_a_clip_that_is_cut_off_ends_with_what_there_is(write_clip, caplog):
    whole = write_clip(range(0, 200, 2))
    contents = whole.read_bytes()
    whole.write_bytes(contents[: int(0.8 * len(contents))])
    with open_clip(whole) as source:
        count = len(list(source))
    assert 50 < count < 95
    assert f"{whole}: ends after {count} frames, {count / 25:.2f} s of 4.00 s; it is cut off or damaged." in caplog.text


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
    with pytest.raises(SourceError, match=r"clip\.mp4: neither an image nor a clip that can be read"):
        open_clip(path)


def test_a_text_is_not_drawn_as_a_video(tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n" * 100)
    with pytest.raises(SourceError, match=r"notes\.txt: .*holds no video"):
        open_clip(tmp_path / "notes.txt")


def test_a_clip_whose_name_is_not_utf8_is_read(write_clip, tmp_path):
    path = write_clip([1, 2, 3]).rename(tmp_path / "caf\udce9.avi")
    with open_source(path) as source:
        assert len(list(source)) == 3


class _Decoder:
    """Stands in for `Decoder`: frames with the times that a test gives it; an exception is raised."""

    duration, damaged = None, 0

    def __init__(self, times, rate):
        self.frames_per_second = rate
        self.closed = False
        self._times = times

    def frames(self):
        for time in self._times:
            if isinstance(time, Exception):
                raise time
            frame = av.VideoFrame(4, 4, "bgr24")
            frame.pts, frame.time_base = (None if time is None else round(1000 * time)), Fraction(1, 1000)
            yield frame

    def to_bgr(self, frame):
        return frame.to_ndarray()

    def close(self):
        self.closed = True


@pytest.mark.parametrize("times", [[0] * 4, [None] * 4, [5, 4, 3, 2]])
def test_a_time_that_is_missing_or_stands_still_follows_from_the_rate(times):
    frames = ClipSource(_Decoder(times, 20), "clip")
    np.testing.assert_allclose([frame.time for frame in frames], [0, 0.05, 0.1, 0.15])


def test_a_clip_without_a_usable_rate_is_reported(caplog):
    source = ClipSource(_Decoder([None] * 3, None), "old.avi")
    assert source.frames_per_second == 30
    np.testing.assert_allclose([frame.time for frame in source], [0, 1 / 30, 2 / 30])
    assert "old.avi: announces no usable frame rate; 30 frames/s are assumed." in caplog.text


def test_a_clip_without_a_frame_is_an_error():
    decoder = _Decoder([], 25)
    with pytest.raises(SourceError, match="clip: holds no frame that can be decoded"):
        ClipSource(decoder, "clip")
    assert decoder.closed


def test_a_read_error_ends_the_clip_with_a_warning(caplog):
    error = SourceError("Connection reset by peer")
    assert len(list(ClipSource(_Decoder([0, 1, error], 1), "clip"))) == 2
    assert "clip: ends after 2 frames, 2.00 s; reading failed (Connection reset by peer)." in caplog.text


def test_closing_lets_go_of_the_file():
    decoder = _Decoder([0] * 9, 25)
    with ClipSource(decoder, "clip") as source:
        next(iter(source))
    assert decoder.closed


def animation(path: Path) -> Path:
    """Three frames of which the last is half transparent."""
    frames = [np.full((48, 64, 4), (*[value] * 3, 255), np.uint8) for value in (50, 100, 0)]
    frames[2][:24, :, 3] = 0
    animated = cv2.Animation()
    animated.frames, animated.durations = frames, [100, 200, 300]
    assert cv2.imwriteanimation(str(path), animated)
    return path


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.gif", "a.jpg"])
def test_an_animated_image_is_a_clip_whatever_its_suffix(tmp_path, name):
    path = animation(tmp_path / name.replace(".jpg", ".webp")).rename(tmp_path / name)
    with open_source(path) as source:
        frames = list(source)
    np.testing.assert_allclose([frame.time for frame in frames], [0, 0.1, 0.3], atol=1e-6)
    assert [frame.still for frame in frames] == [False] * 3
    np.testing.assert_allclose([frame.image[30:].mean() for frame in frames], [50, 100, 0], atol=2)
    if name in ("a.png", "a.gif"):  # OpenCV drops the transparency of an animated WebP
        assert frames[2].image[:20].mean() == pytest.approx(255, abs=2)


def test_raw_motion_jpeg_is_a_clip_and_a_multi_image_photograph_is_not(tmp_path):
    images = [cv2.imencode(".jpg", np.full((48, 64, 3), value, np.uint8))[1].tobytes() for value in range(0, 250, 10)]
    path = tmp_path / "a.jpg"
    path.write_bytes(b"".join(images))
    with open_source(path) as source:
        np.testing.assert_allclose([frame.image.mean() for frame in source], np.arange(0, 250, 10), atol=2)
    path.write_bytes(images[0][:2] + b"\xff\xe2\x00\x06MPF\x00" + images[0][2:] + images[1])
    with open_source(path) as source:
        assert [frame.still for frame in source] == [True]


def test_an_old_opencv_is_named_where_it_decodes_no_animation(tmp_path, monkeypatch):
    path = animation(tmp_path / "a.webp")
    monkeypatch.delattr(clips.cv2, "imdecodeanimation")
    with pytest.raises(SourceError, match=r"a\.webp: an animated WebP needs OpenCV 4\.11"):
        open_source(path)


def test_a_title_that_is_not_utf_8_is_no_obstacle(tmp_path):
    path = tmp_path / "titled.avi"
    with av.open(str(path), "w") as clip:
        clip.metadata["title"] = "femo title"
        stream = clip.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        clip.mux(stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
        clip.mux(stream.encode())
    contents = path.read_bytes()
    assert b"femo title" in contents
    path.write_bytes(contents.replace(b"femo title", b"femo t\xeftle"))
    with open_source(path) as source:
        assert len(list(source)) == 1
