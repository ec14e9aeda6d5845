"""Executable `emotion_recognizer`: runs the node of `recognizer_node.py` until SIGINT or SIGTERM."""

import sys

from femo_ros.startup import StopSignals, require_femo


def main(args: list[str] | None = None) -> int:
    """Run the node and return the exit code."""
    stop = StopSignals()  # before the imports, which take a second, and in which a signal would end in a traceback
    require_femo()

    from femo_ros.executable import Spin, femo_logs_to, run
    from femo_ros.recognizer_node import EmotionRecognizerNode

    def work(spin: Spin) -> None:
        node = EmotionRecognizerNode()
        try:
            with femo_logs_to(node):
                spin(node)
        finally:
            node.end()

    return run("emotion_recognizer", work, stop, args, sends="ASYNCHRONOUS")


if __name__ == "__main__":
    sys.exit(main())
