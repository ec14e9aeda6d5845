"""SIGINT, SIGTERM and SIGHUP as a request that a loop answers at its next safe point."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """The request came while the loop did nothing but wait."""


class StopRequest:
    """Whether the run was asked to end, and by which signal."""

    signum: int = 0
    _interruptible: bool = False

    def __bool__(self) -> bool:
        return self.signum != 0

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that leaves nothing half done, such as a long wait: the request ends it at once, with Stopped."""
        self._interruptible = True
        try:
            if self:
                raise Stopped
            yield
        finally:
            self._interruptible = False

    def ask(self, signum: int) -> None:
        """Notes the request; to be called by the signal's handler."""
        self.signum = signum
        if self._interruptible:
            raise Stopped


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches SIGINT, SIGTERM and SIGHUP inside the block.

    A second SIGINT or SIGTERM acts as it always does. A second SIGHUP does nothing: of a terminal that is closed, the
    shell and the kernel send one each. Where SIGHUP is ignored, as under nohup, it stays so. Outside of the main
    thread, where Python takes no handlers, nothing is caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread set a handler
        yield request
        return
    kinds = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        kinds.append(signal.SIGHUP)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def ask(signum: int, _frame: FrameType | None) -> None:
        kind = signal.Signals(signum)
        signal.signal(kind, signal.SIG_IGN if kind == signal.SIGHUP else before[kind])
        request.ask(signum)

    for kind in kinds:
        signal.signal(kind, ask)
    try:
        yield request
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])
