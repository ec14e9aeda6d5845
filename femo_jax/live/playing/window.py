"""The preview window, which shows frames and answers keys; and whether one can be opened."""

import ctypes
import itertools
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from femo_jax.errors import FemoError
from femo_jax.live.output.records import write_image

KEYS = "q or Esc quits, space pauses or shows the next image, s saves the frame"
"""What the window answers to, for a person to read."""

_QUIT = (ord("q"), ord("Q"), 27)
_PAUSE = ord(" ")
_SAVE = (ord("s"), ord("S"))
_LARGEST = (1280, 720)  # width and height in which the window opens at most
_LOOK_EVERY = 0.05  # seconds between two looks at whether the window was closed


class PreviewWindow:
    """A window that shows one frame after the other; a context manager.

    Ask `why_no_window` first.

    Attributes:
      ended: whether it was closed, by key or by mouse.
    """

    def __init__(
        self,
        title: str,
        report: Callable[[str], None],
        stopped: Callable[[], bool] = lambda: False,
        folder: Path = Path(),
        gui: Any = cv2,
    ) -> None:
        """Prepares a window, which opens with its first frame.

        Args:
          title: of the window.
          report: takes a line for the person at the window.
          stopped: whether all waiting is to end; asked many times a second.
          folder: where the key s saves frames.
          gui: the functions of `cv2` that open windows.
        """
        self.ended = False
        self._paused = False
        self._visible = False
        self._image: np.ndarray | None = None
        self._title = title
        self._report = report
        self._stopped = stopped
        self._folder = folder
        self._gui = gui

    def show(self, image: np.ndarray) -> None:
        """Puts up a frame `[h, w, 3] uint8` BGR and answers the keys pressed so far; a pause holds it here."""
        if not self.ended:
            self._put_up(image)
            self.wait(0.0)

    def wait(self, seconds: float) -> None:
        """Keeps the frame up and answers keys; longer where the person pauses, shorter where they quit."""
        due = time.monotonic() + seconds
        while True:
            key = self._next_key(due - time.monotonic())
            if key == _PAUSE:
                self._paused = not self._paused
            elif key in _SAVE:
                self._save()
            if self._over(key) or (not self._paused and time.monotonic() >= due):
                return

    def hold(self, image: np.ndarray) -> None:
        """Puts up an image and keeps it until any key is pressed but s, which saves it."""
        if self.ended:
            return
        self._put_up(image)
        while True:
            key = self._next_key(_LOOK_EVERY)
            if key in _SAVE:
                self._save()
            elif self._over(key) or key is not None:
                return

    def close(self) -> None:
        """Takes the window away."""
        if self._visible:
            self._gui.destroyWindow(self._title)
        self.ended = True

    def __enter__(self) -> "PreviewWindow":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put_up(self, image: np.ndarray) -> None:
        if self._image is None:
            self._open(*image.shape[1::-1])
        self._gui.imshow(self._title, image)
        self._image = image

    def _open(self, width: int, height: int) -> None:
        gui = self._gui
        gui.namedWindow(self._title, gui.WINDOW_NORMAL | gui.WINDOW_KEEPRATIO | gui.WINDOW_GUI_NORMAL)
        shrink = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
        gui.resizeWindow(self._title, max(1, round(width * shrink)), max(1, round(height * shrink)))

    def _next_key(self, seconds: float) -> int | None:
        """The key pressed within a time, which is cut short so that the window stays alive.

        Keys without a character, such as arrows, have codes of two bytes whose lower ones are those of letters.
        """
        milliseconds = math.ceil(1000 * min(max(seconds, 0.0), _LOOK_EVERY))
        key = self._gui.waitKeyEx(max(milliseconds, 1))
        return None if key < 0 else key & 0xFFFF  # above are Shift, NumLock and the like

    def _over(self, key: int | None) -> bool:
        """Whether nobody looks at the window any more."""
        was_visible, self._visible = self._visible, self._is_visible()
        self.ended = self.ended or key in _QUIT or (was_visible and not self._visible)
        return self.ended or self._stopped()

    def _is_visible(self) -> bool:
        try:
            return self._gui.getWindowProperty(self._title, self._gui.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the toolkit ends itself when the last of its windows is closed by the mouse
            return False

    def _save(self) -> None:
        path = next(
            path for number in itertools.count(1) if not (path := self._folder / f"femo-{number:03}.png").exists()
        )
        try:
            write_image(path, cast(np.ndarray, self._image))
        except FemoError as error:
            self._report(str(error))
        else:
            self._report(f"saved {path}")


def why_no_window() -> str | None:
    """What is missing for windows, in a few words; None where they can be opened.

    OpenCV's own answer may be to abort the whole process.
    """
    toolkit = cv2.currentUIFramework()
    if not toolkit:
        return "this OpenCV opens no windows"
    if not sys.platform.startswith("linux"):
        return None
    # All toolkits but one draw through X, which Wayland desktops offer too.
    answers = bool(os.environ.get("WAYLAND_DISPLAY")) if toolkit == "WAYLAND" else _x_server_answers()
    return None if answers else "no display"


def _x_server_answers() -> bool:
    """Connects as the toolkit will, which aborts where that fails."""
    if not os.environ.get("DISPLAY"):
        return False
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    connection = x11.XOpenDisplay(None)
    if not connection:
        return False
    x11.XCloseDisplay(connection)
    return True
