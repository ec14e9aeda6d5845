import os
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from femo_jax.live.sources.frame import quiet, usable_rate

_log = getattr(cv2.utils, "logging", cv2)
_level = _log.getLogLevel
_SILENT, _WARNING = 0, 3


@pytest.fixture(autouse=True)
def unset_level(monkeypatch):
    """The level is that of a machine on which nobody set one."""
    monkeypatch.delenv("OPENCV_LOG_LEVEL", raising=False)
    before = _level()
    _log.setLogLevel(_WARNING)
    yield
    _log.setLogLevel(before)


def test_the_level_comes_back_also_after_an_error():
    with pytest.raises(ValueError), quiet:
        assert _level() == _SILENT
        raise ValueError
    assert _level() == _WARNING


def test_the_level_comes_back_when_the_last_one_leaves():
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with quiet:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait(10)
    with quiet:
        pass
    assert _level() == _SILENT
    leave.set()
    thread.join()
    assert _level() == _WARNING


def test_who_asks_for_words_gets_them(monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "INFO")
    with quiet:
        assert _level() == _WARNING


_UNREADABLE = """
import pathlib, sys
from femo_jax.errors import FemoError
from femo_jax.live.sources import open_source
for name in ("99", "http://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x", *sys.argv[1:]):
    try:
        list(open_source(name))
    except FemoError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("talkative", [False, True])
def test_what_cannot_be_opened_prints_nothing(tmp_path, talkative):
    (tmp_path / "a.mp4").write_bytes(b"no clip" * 100)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes()[:-20])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV")}
    if talkative:
        environment["OPENCV_LOG_LEVEL"] = "WARNING"
    arguments = [sys.executable, "-c", _UNREADABLE, str(tmp_path / "a.mp4"), str(tmp_path / "a.png")]
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["SourceError"] * 5
    said = [line for line in result.stderr.splitlines() if not line.startswith("libpng")]
    assert bool(said) == talkative


@pytest.mark.parametrize(
    ("rate", "usable"),
    [(29.97, 29.97), (0.2, 0.2), (0, None), (-1, None), (90000, None), (float("nan"), None), (float("inf"), None)],
)
def test_an_impossible_rate_is_none(rate, usable):
    assert usable_rate(rate) == usable
