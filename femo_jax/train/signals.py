"""SIGINT and SIGTERM as a request that the training loop answers at its next safe point."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether the run was asked to end, and by which signal."""

    signum: int = 0

    def __bool__(self) -> bool:
        return self.signum != 0


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches SIGINT and SIGTERM inside the block; a second one of the same kind acts as it always does."""
    request = StopRequest()
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def ask(signum: int, _frame: FrameType | None) -> None:
        request.signum = signum
        signal.signal(signum, before[signal.Signals(signum)])

    for kind in kinds:
        signal.signal(kind, ask)
    try:
        yield request
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])
