"""What the tests of several commands share."""

import signal

import pytest


@pytest.fixture
def not_under_nohup():
    """SIGHUP is not ignored, as it is where the tests themselves run under nohup; one that nobody catches is told."""
    before = signal.signal(signal.SIGHUP, lambda *_: pytest.fail("SIGHUP was not caught"))
    yield
    signal.signal(signal.SIGHUP, before)
