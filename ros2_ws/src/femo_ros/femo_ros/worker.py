"""Work handed from thread to thread: newest wins on the way to a worker, in order on the way back to the executor."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")


class NewestWins(Generic[Item]):
    """Hands items to a function in a thread of its own, always the newest one of each key; nothing queues."""

    def __init__(self, work: Callable[[Item], None], name: str, failed: Callable[[BaseException], None]) -> None:
        """Start the thread.

        Args:
          work: called with one item after the other, never twice at once.
          name: of the thread, for debuggers.
          failed: called in the thread with what `work` raised; the next item is worked on all the same.
        """
        self._work = work
        self._name = name
        self._failed = failed
        self._changed = threading.Condition()
        self._waiting: dict[str, Item] = {}  # by key, the longest waiting first
        self._closed = False
        self._start()

    def put(self, item: Item, key: str = "") -> bool:
        """Give an item; returns whether an older one of its key that was still waiting was dropped for it."""
        with self._changed:
            dropped = key in self._waiting
            self._waiting[key] = item
            if not self._thread.is_alive() and not self._closed:
                self._start()
            self._changed.notify()
        return dropped

    def close(self) -> None:
        """End the thread after the item that is being worked on, and wait for that; a waiting item is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                item = self._take()
            try:
                self._work(item)
            except BaseException as error:
                self._failed(error)
            del item  # an image is large: not kept until the next one comes

    def _take(self) -> Any:
        """What is worked on next."""
        return self._waiting.pop(next(iter(self._waiting)))


class NewestOfEach(NewestWins[Item]):
    """Hands over the newest items of all keys that wait at once: `work` is called with a list of them."""

    def __init__(self, work: Callable[[list[Item]], None], name: str, failed: Callable[[BaseException], None]) -> None:
        """Start the thread; see `NewestWins`."""
        super().__init__(cast(Callable[[Any], None], work), name, failed)

    def _take(self) -> list[Item]:
        items = list(self._waiting.values())
        self._waiting.clear()
        return items


class OnExecutor(Generic[Item]):
    """Hands items from other threads to a function on the thread of a node's executor, in order.

    Creating and destroying publishers is safe on that thread only.
    """

    def __init__(self, node: Any, work: Callable[[Item], None], limit: int) -> None:
        """Make the guard condition that wakes the executor.

        Args:
          node: whose executor runs `work`.
          work: called with one item after the other.
          limit: of items that wait; beyond it the oldest ones are dropped.
        """
        self._node = node
        self._work = work
        self._waiting: deque[Item] = deque(maxlen=limit)
        self._guard = node.create_guard_condition(self.flush)

    def put(self, item: Item) -> None:
        """Give an item; for any thread."""
        self._waiting.append(item)
        self._guard.trigger()

    def flush(self) -> None:
        """Work on all that waits; for the executor's thread."""
        while self._waiting:
            self._work(self._waiting.popleft())

    def close(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._node.destroy_guard_condition(self._guard)
