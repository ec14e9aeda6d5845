"""Says what to do where a node was started by a Python that does not have femo."""

import sys
from importlib.util import find_spec


def require_femo() -> None:
    """Ends the program with code 1 and a remedy where femo_jax cannot be imported."""
    if find_spec("femo_jax") is None:
        sys.exit(
            f"femo_ros: the Python package femo-jax is missing in {sys.executable}. If it is installed in a virtual"
            " environment, activate that before you start the node (`source VENV/bin/activate`); else install it for"
            " this Python with pip. README.md of the workspace says how ROS and virtual environments go together."
        )
