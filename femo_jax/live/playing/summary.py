"""What a run of live recognition comes to."""

from collections import deque

import numpy as np

from femo_jax.live.results import FrameResult

_KEPT = 10_000  # frames whose times are kept: a run may last for weeks


class Summary:
    """Counts of a run, and the times of its last 10,000 frames.

    Attributes:
      frames: how many were recognised.
      seconds: how long the run took; set by whoever ends it.
      dropped: frames that a live source left out; set likewise.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self.frames = 0
        self.seconds = 0.0
        self.dropped = 0
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
        """How many different faces were followed, and in single pictures how many there were in all."""
        return self._tracked + self._untracked

    def __str__(self) -> str:
        """A few lines for a person."""
        rate = f" ({self.frames / self.seconds:.1f} a second)" if self.seconds > 0 else ""
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        lines = [f"frames     {self.frames:,} in {self.seconds:.1f} s{rate}{dropped}", f"faces      {self.faces:,}"]
        if self._times:
            median, slow = np.percentile(np.array(self._times), [50, 95], axis=0)
            for column, name in enumerate(("detection", "inference")):
                lines.append(f"{name}  median {median[column]:.1f} ms, 95th percentile {slow[column]:.1f} ms")
        return "\n".join(lines)
