import threading

import pytest
from femo_ros.worker import NewestWins

LONG = 10  # seconds; only a failing test waits for them


class Slow:
    """Work that goes on only when the test says so."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.done = []

    def __call__(self, item):
        self.begun.release()
        assert self.go_on.acquire(timeout=LONG)
        self.done.append(item)


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def worker(slow):
    worker = NewestWins(slow, name="test")
    yield worker
    slow.go_on.release(100)
    worker.close()


def test_what_waits_gives_way_to_what_comes_after_it(slow, worker):
    assert not worker.put("first")
    assert slow.begun.acquire(timeout=LONG)
    assert [worker.put(item) for item in ("second", "third", "fourth")] == [False, True, True]
    slow.go_on.release()
    assert slow.begun.acquire(timeout=LONG)
    slow.go_on.release()
    worker.close()
    assert slow.done == ["first", "fourth"]


def test_what_has_begun_is_finished_on_closing_and_what_waits_is_not(slow, worker):
    worker.put("first")
    assert slow.begun.acquire(timeout=LONG)
    worker.put("second")
    closing = threading.Thread(target=worker.close)
    closing.start()
    assert slow.done == []
    slow.go_on.release()
    closing.join(timeout=LONG)
    assert not closing.is_alive()
    assert slow.done == ["first"]


def test_items_are_worked_on_in_one_thread_that_is_not_the_callers():
    threads = []
    seen = threading.Semaphore(0)

    def work(_item):
        threads.append(threading.current_thread())
        seen.release()

    worker = NewestWins(work, name="test")
    for item in range(3):
        worker.put(item)
        assert seen.acquire(timeout=LONG)
    worker.close()
    assert set(threads) == {threads[0]}
    assert threads[0] is not threading.current_thread()


def test_an_item_is_not_kept_after_the_work():
    import weakref

    class Image:
        pass

    seen = threading.Semaphore(0)
    worker = NewestWins(lambda _item: seen.release(), name="test")
    image = Image()
    kept = weakref.ref(image)
    worker.put(image)
    del image
    assert seen.acquire(timeout=LONG)
    worker.close()
    assert kept() is None
