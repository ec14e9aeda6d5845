"""What the tests of sources share: a capture that gives what a test tells it."""

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
import pytest


class FakeCapture:
    """Stands in for `cv2.VideoCapture`.

    Attributes:
      frames: iterator of images; None is a damaged one, an exception is raised, and its end is the end.
      properties: what `get` answers.
      asked: what was set, in order.
      released: whether it was.
    """

    def __init__(self, frames: Iterable = (), properties: Mapping[int, float] | None = None, opened: bool = True):
        """Begins with the first of the frames."""
        self.frames = iter(frames)
        self.properties = {cv2.CAP_PROP_FPS: 30.0, **(properties or {})}
        self.opened = opened
        self.asked = []
        self.released = False
        self._current = None

    def isOpened(self):  # noqa: N802
        return self.opened

    def grab(self):
        try:
            self._current = next(self.frames)
        except StopIteration:
            return False
        return True

    def retrieve(self):
        if isinstance(self._current, Exception):
            raise self._current
        return self._current is not None, self._current

    def get(self, prop):
        value = self.properties.get(prop, 0.0)
        return next(value) if hasattr(value, "__next__") else value

    def set(self, prop, value):
        self.asked.append((prop, value))
        return True

    def release(self):
        self.released = True


@pytest.fixture
def fake_capture():
    """The class of captures that give what a test tells them."""
    return FakeCapture


@pytest.fixture
def plain():
    """Makes a small image of one grey value, to be told apart from others."""
    return lambda value, height=4, width=6: np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def write_clip(tmp_path):
    """Writes frames of grey values to a clip without loss of order; gives its path."""

    def write(values, name="clip.avi", rate=25.0):
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
        for value in values:
            writer.write(np.full((48, 64, 3), value, np.uint8))
        writer.release()
        return path

    return write
