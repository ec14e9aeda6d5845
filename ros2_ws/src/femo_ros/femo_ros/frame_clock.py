"""The time of a frame on the stream's clock: from its stamp where that can be trusted, else from its arrival."""


class FrameClock:
    """Turns stamps into times that go forward; only a stamp that jumps back, or the first one, takes the time back.

    Drivers without a clock leave the stamp zero or repeat it, and coarse ones give several frames the same: such a
    frame comes as long after the one before as it arrived after it.
    """

    def __init__(self) -> None:
        """No frame was seen yet."""
        self._stamp = 0.0
        self._arrival = 0.0
        self._time: float | None = None
        self.went_back = 0.0
        """By how many seconds the last frame's time lies before that of the frame before; 0 where it does not."""

    def time(self, stamp: float, arrival: float) -> float:
        """The time of the next frame, in seconds.

        Args:
          stamp: of the frame's header, in seconds; 0 where it has none.
          arrival: when it was received, in seconds on a clock that never goes back.
        """
        self.went_back = 0.0
        if self._time is None:
            time = stamp or arrival
        elif 0 < stamp < self._stamp:
            time = stamp
            self.went_back = self._time - stamp
        elif stamp > self._time or (stamp and not self._stamp):
            time = stamp  # the first stamp counts, however late on the clock of arrivals those before it came
            self.went_back = max(0.0, self._time - stamp)
        else:
            time = self._time + (arrival - self._arrival)
        self._stamp = stamp or self._stamp
        self._arrival = arrival
        self._time = time
        return time
