import sys

import cv2
import pytest

from femo_jax.live.playing.display import why_no_window


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
