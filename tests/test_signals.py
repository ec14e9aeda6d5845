import os
import signal

import pytest

from femo_jax.signals import Stopped, stop_request

pytestmark = pytest.mark.usefixtures("not_under_nohup")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_becomes_a_request(kind):
    before = signal.getsignal(kind)
    with stop_request() as stop:
        assert not stop
        os.kill(os.getpid(), kind)
        assert stop
        assert stop.signum == kind
    assert signal.getsignal(kind) is before


def test_a_second_interrupt_breaks_off():
    # Also where the tests run in the background of a shell, which lets SIGINT be ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), stop_request():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_a_wait_is_broken_off():
    with stop_request() as stop:
        with pytest.raises(Stopped), stop.interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("went on waiting")
        assert stop.signum == signal.SIGTERM


def test_a_wait_that_begins_after_the_request_is_broken_off_at_once():
    with stop_request() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped), stop.interruptible():
            pytest.fail("began to wait")


def test_after_a_wait_the_request_is_noted_again():
    with stop_request() as stop:
        with stop.interruptible():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop


def test_a_terminal_that_is_closed_asks_once_however_often_it_signals():
    heard = []
    signal.signal(signal.SIGHUP, lambda *_: heard.append("before"))
    with stop_request() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signum == signal.SIGHUP
    assert not heard
    os.kill(os.getpid(), signal.SIGHUP)
    assert heard == ["before"]


def test_under_nohup_a_closed_terminal_asks_nothing():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_request() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
