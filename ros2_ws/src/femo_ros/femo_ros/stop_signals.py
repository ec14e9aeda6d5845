"""SIGINT and SIGTERM as a wish that the node grants when it is between two callbacks."""

import signal
from types import FrameType

_KINDS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Whether the process was asked to end; asking again changes nothing.

    rclpy's own handlers end the context at once: whatever then is under way, a transition or a message, fails.
    """

    def __init__(self) -> None:
        """Listens to the signals from now on."""
        self.asked = False
        for kind in _KINDS:
            signal.signal(kind, self._ask)

    def ignore(self) -> None:
        """For the last moments of a process that is ending: a signal can do no more than that."""
        for kind in _KINDS:
            signal.signal(kind, signal.SIG_IGN)

    def _ask(self, _signum: int, _frame: FrameType | None) -> None:
        self.asked = True
