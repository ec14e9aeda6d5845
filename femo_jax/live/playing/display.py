"""Whether a window can be opened here. OpenCV's own answer may be to abort the whole process."""

import ctypes
import os
import sys

import cv2


def why_no_window() -> str | None:
    """What is missing for windows, in a few words; None where they can be opened."""
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
