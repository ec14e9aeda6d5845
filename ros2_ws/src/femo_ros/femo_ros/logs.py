"""What femo says through Python's `logging`, as lines of a node's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FEMO = logging.getLogger("femo_jax")


class _NodeHandler(logging.Handler):
    """Hands records to the logger of a node."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Says it with the severity that it has; rclpy wants a line of code for each."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


@contextmanager
def femo_logs_to(node: Any) -> Iterator[None]:
    """Inside the block, femo's log goes to the node's."""
    handler = _NodeHandler(node.get_logger())
    _FEMO.addHandler(handler)
    try:
        yield
    finally:
        _FEMO.removeHandler(handler)
