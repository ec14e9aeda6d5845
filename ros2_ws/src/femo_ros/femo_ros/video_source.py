"""Executable `video_source`: runs the node of `video_source_node.py` until its source ends, or SIGINT or SIGTERM."""

import sys

from femo_ros.right_python import require_femo
from femo_ros.stop_signals import StopSignals

SIGNALS_SECONDS = 0.1  # rclpy sleeps in C, where Python's signal handlers do not run: it is woken this often


def main(args: list[str] | None = None) -> int:
    """Runs the node; returns the exit code, 1 where the source cannot be opened or breaks down."""
    stop = StopSignals()  # before the imports, which take a second, and in which a signal would end in a traceback
    require_femo()

    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from femo_jax.errors import FemoError
    from femo_ros.logs import femo_logs_to
    from femo_ros.video_source_node import VideoSourceNode

    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = VideoSourceNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        with femo_logs_to(node):
            node.start()
            while not (stop.asked or node.ended):
                executor.spin_once(timeout_sec=SIGNALS_SECONDS)
            node.end()
        node.destroy_node()
    except (FemoError, ParameterException) as error:
        rclpy.logging.get_logger("video_source").fatal(str(error))
        return 1
    finally:
        stop.ignore()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
