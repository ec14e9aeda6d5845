import math
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from femo_jax.live.playing import window as module
from femo_jax.live.playing.window import PreviewWindow, why_no_window

FRAME = np.full((48, 64, 3), 80, np.uint8)

KEYS = {"left": 0xFF51, "right": 0xFF53, "q with NumLock": 0x100000 | ord("q")}
"""Codes of keys as OpenCV gives them on Linux."""


class FakeGui:
    """The few functions of OpenCV's highgui, with a person who does one thing a poll."""

    WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = WND_PROP_VISIBLE = 0

    def __init__(self, clock):
        self.clock = clock
        self.person = []  # keys, "nothing" or "closes the window"
        self.shown = []
        self.size = None
        self.open = False

    def namedWindow(self, title, flags):  # noqa: N802
        self.open = True

    def resizeWindow(self, title, width, height):  # noqa: N802
        self.size = (width, height)

    def imshow(self, title, image):
        self.shown.append(image)

    def waitKeyEx(self, milliseconds):  # noqa: N802
        assert milliseconds >= 1, "0 waits for ever"
        if not self.person:
            self.clock.now += milliseconds / 1000
            return -1
        deed = self.person.pop(0)
        if deed == "closes the window":
            self.open = False
        return KEYS.get(deed, ord(deed) if len(deed) == 1 else -1)

    def getWindowProperty(self, title, name):  # noqa: N802
        if not self.open:
            raise cv2.error("please create a window")
        return 1.0

    def destroyWindow(self, title):  # noqa: N802
        assert self.open, "there is no window"
        self.open = False


@pytest.fixture
def gui(monkeypatch):
    """The toolkit of a window, and the clock of both: time passes only while nobody presses a key."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return FakeGui(clock)


@pytest.fixture
def said():
    return []


@pytest.fixture
def window(gui, said, tmp_path):
    """An open window."""
    window = PreviewWindow("femo", said.append, folder=tmp_path, gui=gui)
    window.show(FRAME)
    return window


@pytest.mark.parametrize("deed", ["q", "Q", "q with NumLock", "\x1b", "closes the window"])
def test_it_is_ended_by_key_or_mouse_and_does_not_open_again(gui, window, deed):
    gui.person = ["nothing", deed]
    assert not window.ended
    window.wait(math.inf)
    assert window.ended
    window.show(FRAME)
    assert len(gui.shown) == 1


def test_it_waits_as_long_as_asked(gui, window):
    began = gui.clock.now
    window.wait(0.12)
    assert gui.clock.now - began == pytest.approx(0.12, abs=0.002)
    window.wait(-1.0)
    assert gui.clock.now - began == pytest.approx(0.121, abs=0.002)


def test_space_holds_the_frame_until_space(gui, window):
    gui.person = [" ", *["nothing"] * 20, " "]
    window.wait(0.0)
    assert gui.person == []
    gui.person = [" ", *["nothing"] * 20, "q"]
    window.wait(0.0)
    assert window.ended


def test_a_pause_may_begin_while_frames_run(gui, window):
    gui.person = [" ", "nothing", "nothing", " "]
    window.show(FRAME)
    assert gui.person == []


def test_s_saves_the_frame_under_a_new_name(gui, said, window, tmp_path):
    gui.person = ["s", "s"]
    window.wait(0.05)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["femo-001.png", "femo-002.png"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "femo-002.png")), FRAME)
    assert said == [f"saved {tmp_path / 'femo-001.png'}", f"saved {tmp_path / 'femo-002.png'}"]


def test_a_frame_that_cannot_be_saved_is_no_end(gui, said, tmp_path):
    (tmp_path / "file").touch()
    window = PreviewWindow("femo", said.append, folder=tmp_path / "file", gui=gui)
    gui.person = ["s"]
    window.show(FRAME)
    assert "cannot be written" in said[0]
    assert not window.ended


def test_an_image_stays_until_a_key(gui, window, tmp_path):
    gui.person = [*["nothing"] * 20, "s", "nothing", " ", "n"]
    window.hold(FRAME)
    assert gui.person == ["n"]
    assert (tmp_path / "femo-001.png").exists()
    assert not window.ended
    gui.person = ["closes the window"]
    window.hold(FRAME)
    assert window.ended


def test_a_space_pressed_before_an_image_is_there_passes_it(gui, window):
    """It is no pause, of which a further key would have to be the end."""
    gui.person = [" ", "nothing"]
    window.hold(FRAME)
    assert gui.person == ["nothing"]


def test_arrows_are_not_the_letters_whose_codes_theirs_end_with(gui, window, tmp_path):
    gui.person = ["left", "right"]
    window.wait(0.1)
    assert gui.person == [] and not window.ended
    assert list(tmp_path.iterdir()) == []
    gui.person = ["right", "nothing"]
    window.hold(FRAME)
    assert gui.person == ["nothing"]  # any key is for the next image


def test_a_stop_ends_pause_and_waiting(gui, said, tmp_path):
    gui.person = [" "]
    window = PreviewWindow("femo", said.append, stopped=lambda: True, gui=gui)
    window.show(FRAME)
    window.wait(math.inf)
    window.hold(FRAME)
    assert not window.ended


@pytest.mark.parametrize(
    ("width", "height", "size"), [(320, 240, (320, 240)), (3840, 2160, (1280, 720)), (1000, 2000, (360, 720))]
)
def test_it_opens_in_a_size_that_fits_a_screen(gui, said, width, height, size):
    PreviewWindow("femo", said.append, gui=gui).show(np.zeros((height, width, 3), np.uint8))
    assert gui.size == size


def test_it_goes_away_with_its_block(gui, said):
    with PreviewWindow("femo", said.append, gui=gui) as window:
        window.show(FRAME)
    assert not gui.open
    with PreviewWindow("femo", said.append, gui=gui) as window:
        gui.person = ["nothing", "closes the window"]
        window.show(FRAME)
        window.wait(1)
    with PreviewWindow("femo", said.append, gui=gui):
        pass  # it was never open


SCRIPT = """
import sys
import numpy as np
from femo_jax.live.playing import window as module
from femo_jax.live.playing.window import why_no_window
from femo_jax.live.playing import window as module
from femo_jax.live.playing.window import PreviewWindow

assert why_no_window() is None
with PreviewWindow("femo", print) as window:
    for shade in range(0, 250, 50):
        window.show(np.full((2000, 3000, 3), shade, np.uint8))
        window.wait(0.02)
    assert not window.ended
print("shown")
"""


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb-run is not installed")
def test_a_real_window():
    command = ["xvfb-run", "-a", sys.executable, "-c", SCRIPT]
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.stdout == "shown\n", result.stderr


@pytest.fixture(autouse=True)
def bare_linux(monkeypatch):
    """A Linux whose OpenCV has windows, without a display."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("display", [None, "", ":4242"])
def test_a_display_that_does_not_answer_is_none(monkeypatch, display):
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    assert why_no_window() == "no display"


def test_what_draws_through_x_does_not_draw_through_wayland(monkeypatch):
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert why_no_window() == "no display"
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "WAYLAND")
    assert why_no_window() is None


def test_an_opencv_without_windows(monkeypatch):
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    assert why_no_window() == "this OpenCV opens no windows"


def test_other_systems_always_have_a_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert why_no_window() is None
