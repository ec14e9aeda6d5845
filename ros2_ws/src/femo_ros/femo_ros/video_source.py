"""Executable `video_source`: runs the node of `video_source_node.py` until its source ends, or SIGINT or SIGTERM."""

import sys

from femo_ros.startup import StopSignals, require_femo


def main(args: list[str] | None = None) -> int:
    """Run the node and return the exit code, 1 where the source cannot be opened or breaks down."""
    stop = StopSignals()  # before the imports, which take a second, and in which a signal would end in a traceback
    require_femo()

    from femo_ros.executable import Spin, femo_logs_to, run
    from femo_ros.video_source_node import VideoSourceNode

    def work(spin: Spin) -> None:
        node = VideoSourceNode()
        with femo_logs_to(node):
            node.start()
            spin(node, lambda: node.ended)
            node.end()
        node.destroy_node()

    return run("video_source", work, stop, args)


if __name__ == "__main__":
    sys.exit(main())
