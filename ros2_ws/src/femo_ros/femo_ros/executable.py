"""What the executables share: a node that runs in this process until it is done or a signal comes."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from femo_jax.errors import FemoError
from femo_ros.startup import StopSignals

PUBLICATION_MODE = "RMW_FASTRTPS_PUBLICATION_MODE"
"""Variable in which Fast DDS is told who sends: with `ASYNCHRONOUS` a thread of its own, which does not hold Python's
global interpreter lock. `publish` of a 640x480 image then holds it for 0.4 ms in place of 1.2 to 2.0, for which the
recognising thread would wait."""

SIGNALS_SECONDS = 0.1  # rclpy sleeps in C, where Python's signal handlers do not run: it is woken this often

_FEMO = logging.getLogger("femo_jax")


class Spin(Protocol):
    """Runs the callbacks of a node until a signal comes, or until the node is done."""

    def __call__(self, node: Node, done: Callable[[], bool] = ...) -> None:
        """Run; `done` is asked between two callbacks, and without it the node is never done."""


def run(
    name: str, work: Callable[[Spin], None], stop: StopSignals, args: list[str] | None = None, *, sends: str = ""
) -> int:
    """Set up ROS, do the work of a node, and return the exit code.

    Args:
      name: of the node, for the log.
      work: makes the node, spins it and ends it. A FemoError, a ParameterException or a missing Python package is
        logged as one line, and makes the exit code 1.
      stop: the signals that end the spinning.
      args: of the command line; those of the process by default.
      sends: value of `PUBLICATION_MODE` where the environment has none; empty: Fast DDS's own default.
    """
    if sends:
        os.environ.setdefault(PUBLICATION_MODE, sends)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # a log level, a remapping or a parameter file that rcl cannot parse
        get_logger(name).fatal(f"invalid ROS arguments: {_without_places(str(error))}")
        return 1
    try:
        executor = SingleThreadedExecutor()

        def spin(node: Node, done: Callable[[], bool] = lambda: False) -> None:
            executor.add_node(node)
            while not (stop.requested or done()):
                executor.spin_once(timeout_sec=SIGNALS_SECONDS)

        work(spin)
    except (FemoError, ParameterException) as error:
        get_logger(name).fatal(str(error))
        return 1
    except ModuleNotFoundError as error:  # of what femo_recognition does without
        package = "femo-jax" if (error.name or "").startswith("femo_jax") else error.name
        get_logger(name).fatal(
            f"this needs the Python package {package}, which {sys.executable} lacks: install it by pip"
        )
        return 1
    finally:
        stop.ignore()
        try_shutdown()
    return 0


def _without_places(text: str) -> str:
    """What rcl writes about an argument, without the lines of its own sources."""
    text = re.sub(r",? at /\S+:\d+", "", text.removeprefix("failed to initialize rcl: "))
    text = text.replace(" Error: error not set", "").replace("\n", " ")
    return re.sub(r"^(\[.*\])$", r"unknown arguments \1", text.strip())


class _NodeHandler(logging.Handler):
    """Hands records to the logger of a node."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log with the record's severity; rclpy wants a line of code for each."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


@contextmanager
def femo_logs_to(node: Any) -> Iterator[None]:
    """Inside the block, what femo logs through Python's `logging` becomes lines of the node's log."""
    handler = _NodeHandler(node.get_logger())
    _FEMO.addHandler(handler)
    try:
        yield
    finally:
        _FEMO.removeHandler(handler)
