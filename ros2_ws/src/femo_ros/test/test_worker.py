import threading
from types import SimpleNamespace

import pytest
from femo_ros.worker import NewestOfEach, NewestWins, OnExecutor

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
    worker = NewestWins(slow, "test", pytest.fail)
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


def test_each_key_has_its_newest_item_and_they_take_turns(slow, worker):
    worker.put("first")
    assert slow.begun.acquire(timeout=LONG)
    dropped = [worker.put(f"{key}{number}", key) for number in range(3) for key in "ab"]
    assert dropped == [False, False, True, True, True, True]
    for _ in range(2):
        slow.go_on.release()
        assert slow.begun.acquire(timeout=LONG)
    slow.go_on.release()
    worker.close()
    assert slow.done == ["first", "a2", "b2"]


def test_the_newest_items_of_all_keys_are_handed_over_at_once(slow):
    worker = NewestOfEach(slow, "test", pytest.fail)
    worker.put("first")
    assert slow.begun.acquire(timeout=LONG)
    dropped = [worker.put(f"{key}{number}", key) for number in range(3) for key in "ab"]
    assert dropped == [False, False, True, True, True, True]
    slow.go_on.release()
    assert slow.begun.acquire(timeout=LONG)
    worker.put("b3", "b")
    slow.go_on.release(2)
    assert slow.begun.acquire(timeout=LONG)
    worker.close()
    assert slow.done == [["first"], ["a2", "b2"], ["b3"]]


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

    worker = NewestWins(work, "test", pytest.fail)
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
    worker = NewestWins(lambda _item: seen.release(), "test", pytest.fail)
    image = Image()
    kept = weakref.ref(image)
    worker.put(image)
    del image
    assert seen.acquire(timeout=LONG)
    worker.close()
    assert kept() is None


@pytest.mark.parametrize("kind", [ValueError, MemoryError, SystemExit])
def test_an_item_that_fails_does_not_end_the_work(kind):
    failures, done = [], threading.Semaphore(0)

    def work(item):
        if item == "bad":
            raise kind("no good")
        done.release()

    def failed(error):
        failures.append(error)
        done.release()

    worker = NewestWins(work, "test", failed)
    for item in ("bad", "good", "bad", "good"):
        worker.put(item)
        assert done.acquire(timeout=LONG)
    worker.close()
    assert [(type(error), str(error)) for error in failures] == [(kind, "no good")] * 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_started_again():
    done = threading.Semaphore(0)
    threads = []

    def work(item):
        threads.append(threading.current_thread())
        if item == "bad":
            raise ValueError
        done.release()

    def failed(error):
        raise error

    worker = NewestWins(work, "test", failed)
    worker.put("bad")
    worker._thread.join(timeout=LONG)
    worker.put("good")
    assert done.acquire(timeout=LONG)
    worker.close()
    assert len(set(threads)) == 2


class Executor:
    """Stands in for a node: the guard condition runs its callback when the test says so."""

    def __init__(self):
        self.triggered = 0

    def create_guard_condition(self, callback):
        self.callback = callback
        return SimpleNamespace(trigger=self._trigger)

    def _trigger(self):
        self.triggered += 1

    def destroy_guard_condition(self, guard):
        self.callback = None


def test_items_for_the_executor_wait_for_it_in_order_and_the_oldest_are_dropped():
    node, done = Executor(), []
    to_executor = OnExecutor(node, done.append, limit=3)
    for item in range(5):
        to_executor.put(item)
    assert (node.triggered, done) == (5, [])
    node.callback()
    assert done == [2, 3, 4]
    to_executor.put(5)
    to_executor.close()
    assert (done, node.callback) == ([2, 3, 4], None)
