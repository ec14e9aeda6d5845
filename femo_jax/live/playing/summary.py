"""Numbers about a run of `femo live`: frame rate and latency just now, and a summary of all of it."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from femo_jax.live.results import FrameResult

_RECENT = 1.0  # seconds over which frame rate and latency are averaged
_KEPT = 10_000  # frames whose times are kept: a run may last for weeks


class FpsMeter:
    """Measures over the last second, or over the last two frames where these are slower."""

    def __init__(self) -> None:
        """Begins without measurements."""
        self._updates: deque[tuple[float, float]] = deque()

    def update(self, now: float, latency_ms: float) -> None:
        """A frame was shown at the time `now`, in seconds, so many milliseconds after it was taken."""
        self._updates.append((now, latency_ms))
        while len(self._updates) > 2 and self._updates[0][0] < now - _RECENT:
            self._updates.popleft()

    @property
    def frames_per_second(self) -> float | None:
        """None before the second frame."""
        passed = self._updates[-1][0] - self._updates[0][0] if self._updates else 0.0
        return (len(self._updates) - 1) / passed if passed > 0 else None

    @property
    def latency_ms(self) -> float | None:
        """None before the first frame."""
        return sum(latency for _, latency in self._updates) / len(self._updates) if self._updates else None


@dataclass
class SourceSummary:
    """Counts of one of several sources.

    Attributes:
      frames: how many were recognised.
      dropped: frames that it left out, where it is live.
      given_up: it broke down.
    """

    frames: int = 0
    dropped: int = 0
    given_up: bool = False

    def __str__(self) -> str:
        """For a person, as in `1,200, 3 dropped`."""
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        return f"{self.frames:,}{dropped}{', given up' if self.given_up else ''}"


class Summary:
    """Counts of a run, and the times of its last 10,000 frames.

    Attributes:
      frames: how many were recognised.
      seconds: how long the run took; set by whoever ends it.
      dropped: frames that live sources left out; set likewise.
      sources: of a run with several sources each by its name; else empty.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self.frames = 0
        self.seconds = 0.0
        self.dropped = 0
        self.sources: dict[str, SourceSummary] = {}
        self._tracked = 0
        self._untracked = 0
        self._times: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def add(self, result: FrameResult) -> None:
        """Counts a frame."""
        self.frames += 1
        self._times.append((result.detection_ms, result.inference_ms))
        # Tracks are numbered from 1 without gaps: the highest number is how many there were.
        self._tracked = max([self._tracked, *(face.track_id or 0 for face in result.faces)])
        self._untracked += sum(face.track_id is None for face in result.faces)

    @property
    def faces(self) -> int:
        """How many different faces were followed, and in single images how many there were in all."""
        return self._tracked + self._untracked

    def __str__(self) -> str:
        """A few lines for a person."""
        rate = f" ({self.frames / self.seconds:.1f} a second)" if self.seconds > 0 else ""
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        lines = [f"frames     {self.frames:,} in {self.seconds:.1f} s{rate}{dropped}"]
        lines += [f"  {name}: {source}" for name, source in self.sources.items()]
        lines.append(f"faces      {self.faces:,}")
        if self._times:
            median, slow = np.percentile(np.array(self._times), [50, 95], axis=0)
            for column, name in enumerate(("detection", "inference")):
                lines.append(f"{name}  median {median[column]:.1f} ms, 95th percentile {slow[column]:.1f} ms")
        return "\n".join(lines)
