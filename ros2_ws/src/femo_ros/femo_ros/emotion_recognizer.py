"""Executable `emotion_recognizer`: runs the node of `recognizer_node.py` until SIGINT or SIGTERM."""

import sys

from femo_ros.right_python import require_femo
from femo_ros.stop_signals import StopSignals

SIGNALS_SECONDS = 0.1  # rclpy sleeps in C, where Python's signal handlers do not run: it is woken this often


def main(args: list[str] | None = None) -> int:
    """Runs the node; returns the exit code."""
    stop = StopSignals()  # before the imports, which take a second, and in which a signal would end in a traceback
    require_femo()

    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions
    from rclpy.utilities import try_shutdown

    from femo_jax.errors import ConfigError
    from femo_ros.logs import femo_logs_to
    from femo_ros.recognizer_node import EmotionRecognizerNode

    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = EmotionRecognizerNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            with femo_logs_to(node):
                while not stop.asked:
                    executor.spin_once(timeout_sec=SIGNALS_SECONDS)
        finally:
            node.end()
    except (ParameterException, ConfigError) as error:
        get_logger("emotion_recognizer").fatal(str(error))
        return 1
    finally:
        stop.ignore()
        try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
