"""What the executables share: a node that runs in this process until it is done or a signal comes."""

from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from femo_jax.errors import FemoError
from femo_ros.stop_signals import StopSignals

SIGNALS_SECONDS = 0.1  # rclpy sleeps in C, where Python's signal handlers do not run: it is woken this often


class Spin(Protocol):
    """Runs the callbacks of a node until a signal comes, or until the node is done."""

    def __call__(self, node: Node, done: Callable[[], bool] = ...) -> None:
        """`done` is asked between two callbacks; without it, the node is never done."""


def run(name: str, work: Callable[[Spin], None], stop: StopSignals, args: list[str] | None = None) -> int:
    """Does the work of a node with ROS set up round it; returns the exit code.

    Args:
      name: of the node, for the log.
      work: makes the node, spins it and ends it. A FemoError or a ParameterException of it is told as one line, and
        makes the exit code 1.
      stop: the signals that end the spinning.
      args: of the command line; those of the process by default.
    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        executor = SingleThreadedExecutor()

        def spin(node: Node, done: Callable[[], bool] = lambda: False) -> None:
            executor.add_node(node)
            while not (stop.asked or done()):
                executor.spin_once(timeout_sec=SIGNALS_SECONDS)

        work(spin)
    except (FemoError, ParameterException) as error:
        get_logger(name).fatal(str(error))
        return 1
    finally:
        stop.ignore()
        try_shutdown()
    return 0
