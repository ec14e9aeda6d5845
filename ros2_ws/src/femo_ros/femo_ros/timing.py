"""Time stamps of images: the stream's clock made of them, the latency against them, and what belongs together."""

from collections import deque
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Partner = TypeVar("Partner")

LARGEST_LATENCY = 10.0
"""Seconds; an image whose stamp is older when its result leaves was stamped by another clock."""

CLOCK_TOLERANCE = 0.1
"""Seconds by which a stamp may lie in the future: clocks of two machines are never exactly the same."""


def seconds_of(header: Any) -> float:
    """Return the stamp of a `std_msgs/Header` in seconds."""
    return header.stamp.sec + header.stamp.nanosec * 1e-9


class FrameClock:
    """Turns stamps into times that go forward.

    A stamp that is a little older than one before it (jitter, two publishers, a clock that is being adjusted) holds the
    clock. Drivers without a clock leave the stamp zero or repeat it, and coarse ones give several frames the same: such
    a frame comes as long after the one before as it arrived after it.
    """

    def __init__(self) -> None:
        """Begin at 0, before the first frame."""
        self._time = 0.0
        self._newest = 0.0  # stamp since the last restart; 0 where there was none
        self._carried = 0.0  # seconds that the clock went on by arrivals since the newest stamp
        self._arrival: float | None = None
        self.went_back = 0.0
        """Seconds by which the last frame's stamp lies before the newest one, where that is a restart; 0 elsewhere."""

    def time(self, stamp: float, arrival: float, restart_after: float) -> float:
        """Return the time of the next frame, in seconds since the first one.

        Args:
          stamp: of the frame's header, in seconds; 0 where it has none.
          arrival: when it was received, in seconds on a clock that never goes back.
          restart_after: seconds by which a stamp must lie before the newest one to be the beginning of another
            recording.
        """
        since_arrival = arrival - self._arrival if self._arrival is not None else 0.0
        self.went_back = 0.0
        if stamp and self._newest and stamp > self._newest:
            # What the clock went on by arrivals meanwhile is not counted twice.
            self._time += max(0.0, stamp - self._newest - self._carried)
            self._newest, self._carried = stamp, 0.0
        elif not stamp or stamp == self._newest or not self._newest:
            self._time += since_arrival
            self._carried += since_arrival
            if stamp and not self._newest:
                self._newest, self._carried = stamp, 0.0
        elif self._newest - stamp > restart_after:
            self.went_back = self._newest - stamp
            self._time += since_arrival
            self._newest, self._carried = stamp, 0.0
        self._arrival = arrival
        return self._time


def of_one_clock(latency: float) -> bool:
    """Whether a latency in seconds can be one, so that the stamp and the reader's clock are the same."""
    return -CLOCK_TOLERANCE <= latency <= LARGEST_LATENCY


class Pairs(Generic[Item, Partner]):
    """Gives each item the partner with the nearest stamp, and waits a little for one that may still come.

    All stamps are of one clock, in seconds; `now` is on a clock that never goes back.
    """

    KEPT = 10
    """Partners that are kept."""

    WAIT = 0.2
    """Seconds that an item waits for a later partner."""

    ALIVE = 1.0
    """Seconds without a partner after which none is waited for."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._partners: deque[tuple[float, Partner]] = deque(maxlen=self.KEPT)
        self._items: deque[tuple[float, Item, float]] = deque()
        self._last_partner: float | None = None

    def offer(self, partner: Partner, stamp: float, now: float) -> None:
        """Add a partner."""
        self._partners.append((stamp, partner))
        self._last_partner = now

    def put(self, item: Item, stamp: float, now: float) -> None:
        """Add an item."""
        self._items.append((stamp, item, now))

    def take(self, limit: float, now: float) -> list[tuple[Item, Partner | None]]:
        """Take the items that wait no longer, in their order, each with its partner.

        Args:
          limit: largest difference of the stamps; an item without such a partner gets None.
          now: the time.
        """
        taken = []
        while self._items and self._decided(*self._items[0], now):
            stamp, item, _ = self._items.popleft()
            offset, partner = min(
                ((abs(other - stamp), partner) for other, partner in self._partners),
                key=lambda found: found[0],
                default=(limit, None),
            )
            taken.append((item, partner if offset <= limit else None))
        return taken

    def _decided(self, stamp: float, _item: Item, since: float, now: float) -> bool:
        """Whether no partner that is nearer may come."""
        expected = self._last_partner is not None and now - self._last_partner < self.ALIVE
        return not expected or now - since >= self.WAIT or any(other >= stamp for other, _ in self._partners)
