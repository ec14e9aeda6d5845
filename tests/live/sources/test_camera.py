import itertools
import os
from pathlib import Path

import cv2
import pytest

from femo_jax.errors import SourceError
from femo_jax.live.sources.camera import camera_number, open_camera


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


def test_another_size_than_asked_for_is_told(fake_capture, plain, caplog):
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
