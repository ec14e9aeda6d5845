"""Frame rate and latency, as they are shown while frames go by."""

from collections import deque

_RECENT = 1.0  # seconds that are averaged


class Pulse:
    """Measures over the last second, or over the last two frames where these are slower."""

    def __init__(self) -> None:
        """Begins without either figure."""
        self._beats: deque[tuple[float, float]] = deque()

    def beat(self, now: float, latency_ms: float) -> None:
        """A frame was shown at the time `now`, in seconds, so many milliseconds after it was taken."""
        self._beats.append((now, latency_ms))
        while len(self._beats) > 2 and self._beats[0][0] < now - _RECENT:
            self._beats.popleft()

    @property
    def frames_per_second(self) -> float | None:
        """None before the second frame."""
        passed = self._beats[-1][0] - self._beats[0][0] if self._beats else 0.0
        return (len(self._beats) - 1) / passed if passed > 0 else None

    @property
    def latency_ms(self) -> float | None:
        """None before the first frame."""
        return sum(latency for _, latency in self._beats) / len(self._beats) if self._beats else None
