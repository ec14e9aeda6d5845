"""Newest frame wins: one thread works, and what is not yet begun gives way to what comes after it."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestWins(Generic[Item]):
    """Hands items to a function in a thread of its own, always the newest one; nothing queues.

    The function must not raise: an exception ends the thread.
    """

    def __init__(self, work: Callable[[Item], None], name: str) -> None:
        """Starts the thread.

        Args:
          work: called with one item after the other, never twice at once.
          name: of the thread, for debuggers.
        """
        self._work = work
        self._changed = threading.Condition()
        self._waiting: list[Item] = []  # one at most
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Gives an item; returns whether an older one that was still waiting was dropped for it."""
        with self._changed:
            dropped = bool(self._waiting)
            self._waiting = [item]
            self._changed.notify()
        return dropped

    def close(self) -> None:
        """Ends the thread after the item that is being worked on, and waits for that; a waiting item is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                item = self._waiting.pop()
            self._work(item)
            del item  # an image is large: not kept until the next one comes
