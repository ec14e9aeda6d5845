"""What an executable does before it imports anything large: listen to signals, and check for femo."""

import signal
import sys
from importlib.util import find_spec
from types import FrameType

_KINDS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """SIGINT and SIGTERM as a request that the node serves between two callbacks; a second one changes nothing.

    rclpy's own handlers shut the context down at once, so that a transition or a publication under way fails.
    """

    def __init__(self) -> None:
        """Install the handlers."""
        self.requested = False
        for kind in _KINDS:
            signal.signal(kind, self._request)

    def ignore(self) -> None:
        """Ignore further signals while the process shuts down."""
        for kind in _KINDS:
            signal.signal(kind, signal.SIG_IGN)

    def _request(self, _signum: int, _frame: FrameType | None) -> None:
        self.requested = True


def require_femo() -> None:
    """End the program with code 1 and a remedy where femo_jax cannot be imported."""
    if find_spec("femo_jax") is None:
        sys.exit(
            f"femo_ros: the Python package femo-jax is missing in {sys.executable}. If it is installed in a virtual"
            " environment, activate that before you start the node (`source VENV/bin/activate`); else install it for"
            " this Python with pip. README.md of the workspace explains how ROS and virtual environments go together."
        )
