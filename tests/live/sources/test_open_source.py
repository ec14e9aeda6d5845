import math
import os

import cv2
import numpy as np
import pytest

from femo_jax.errors import ConfigError, SourceError
from femo_jax.live.sources import open_source
from femo_jax.live.sources.clips import ClipSource
from femo_jax.live.sources.images import ImageSource


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(cv2.imencode(".png", np.full((8, 9, 3), 5, np.uint8))[1].tobytes())
    return path


def test_an_image_a_folder_and_a_pattern(image):
    for spec in (image, str(image), str(image.parent), str(image.parent / "*.p?g")):
        with open_source(spec) as source:
            assert isinstance(source, ImageSource)
            assert [frame.image.shape for frame in source] == [(8, 9, 3)]


def test_a_rate_makes_images_a_clip(image):
    with open_source(image.parent, rate=5) as source:
        assert source.frames_per_second == 5
        assert not next(iter(source)).still


def test_a_clip(write_clip):
    with open_source(write_clip([10, 20, 30])) as source:
        assert isinstance(source, ClipSource)
        assert len(list(source)) == 3


def test_contents_decide_and_not_the_suffix(image, write_clip):
    assert isinstance(open_source(image.rename(image.with_name("face"))), ImageSource)
    clip = write_clip([1, 2])
    with open_source(clip.rename(clip.with_name("clip"))) as source:
        assert isinstance(source, ClipSource)


def test_a_gif_is_a_clip(tmp_path):
    # Two frames of two pixels, white on black and black on white.
    frame = b"!\xf9\x04\x00\x0a\x00\x00\x00,\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02%s\x0a\x00"
    head = b"GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    path = tmp_path / "a.gif"
    path.write_bytes(head + frame % b"\x44" + frame % b"\x0c" + b";")
    with open_source(path) as source:
        assert isinstance(source, ClipSource)
        assert len(list(source)) == 2


def test_brackets_in_the_name_of_a_file_are_no_pattern(image):
    path = image.rename(image.with_name("face [1].png"))
    assert len(list(open_source(str(path)))) == 1


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(SourceError, match=r"clip\.mp4: not a regular file"):
        open_source(tmp_path / "clip.mp4")


def test_digits_and_device_files_are_cameras():
    for spec in ("99", "/dev/video99"):
        with pytest.raises(SourceError, match="camera 99: "):
            open_source(spec)


@pytest.mark.parametrize("spec", ["none.mp4", "", "no such/folder", "-1", "٣"])
def test_what_is_not_there_is_named(spec):
    with pytest.raises(SourceError, match=rf"'{spec}': no such file\. Expected the number of a camera"):
        open_source(spec)


def test_other_addresses_are_refused():
    with pytest.raises(SourceError, match=r"ftp: femo does not open such addresses; expected one of rtsp, rtsps, http"):
        open_source("ftp://host/clip.mp4")


def test_a_pattern_without_images(tmp_path):
    with pytest.raises(SourceError, match=r"\*\.jpg: there is no image"):
        open_source(str(tmp_path / "*.jpg"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size", (640, 0)),
        ("size", (640,)),
        ("rate", 0),
        ("rate", math.nan),
        ("give_up_after", 0.5),
        ("give_up_after", math.nan),
        ("timeout", 0),
        ("timeout", math.inf),
    ],
)
def test_numbers_that_make_no_sense(option, value):
    with pytest.raises(ConfigError, match=rf"{option} is "):
        open_source("0", **{option: value})


@pytest.mark.parametrize("number", ["256", "1" + 20 * "0"])
def test_a_camera_number_that_no_machine_has(number):
    with pytest.raises(SourceError, match=f"camera {number}: no such camera; expected a number from 0 to 255"):
        open_source(number)
