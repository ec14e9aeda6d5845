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


def provide_femo() -> bool:
    """Have `import femo_jax` find the one that pip installed, else that of femo_recognition; False without either."""
    if find_spec("femo_recognition") is not None:
        import femo_recognition

        femo_recognition.provide()
    return find_spec("femo_jax") is not None


def require_femo() -> None:
    """As `provide_femo`; without either the program ends with code 1 and a remedy."""
    if not provide_femo():
        sys.exit(
            f"femo_ros: {sys.executable} has neither the ROS package femo_recognition nor the Python package femo-jax."
            " Build the whole workspace and source it (`source install/setup.bash`). If femo-jax is installed in a"
            " virtual environment, activate that before you start the node (`source VENV/bin/activate`). README.md of"
            " the workspace explains how ROS and virtual environments go together."
        )
