"""Faces of a stream: the whole frame is searched now and then, and the known faces' surroundings in between."""

from collections.abc import Sequence

from femo_jax.live.boxes import Box, overlaps
from femo_jax.live.config import SearchConfig
from femo_jax.live.detection.detector import Detector
from femo_jax.live.detection.duplicates import SAME_OVERLAP, without_duplicates
from femo_jax.live.picture import Picture


class FaceSearch:
    """Finds the faces in each frame of a stream, in a fraction of the time that a search of all of it takes.

    Attributes:
      detector: finds the faces; may be replaced at any time.
      config: how often the whole frame is searched, and how far round a known face; may be replaced at any time.
    """

    def __init__(self, detector: Detector, config: SearchConfig) -> None:
        """Searches with `detector`; the first frame is searched as a whole."""
        self.detector = detector
        self.config = config
        self._scanned_at: float | None = None

    def find(self, picture: Picture, time: float, known: Sequence[Box]) -> tuple[list[Box], bool]:
        """Finds the faces of the next frame.

        Args:
          picture: the frame.
          time: of the frame, in seconds on the stream's clock; where it jumps back, the whole frame is searched.
          known: where the faces of the frames before were last found.

        Returns:
          The boxes of the faces, one each, ordered by x, then by y; and whether the whole frame was searched.
        """
        due = self._due(time)
        found = []
        if due:
            self._scanned_at = time
            found = self.detector.detect(picture)
            # A scan of the whole frame is coarse: it may miss a face that is found when looked for.
            seen = overlaps(known, found).max(axis=1, initial=0.0) > SAME_OVERLAP
            known = [box for box, is_seen in zip(known, seen, strict=True) if not is_seen]
        near = self.detector.detect_near(picture, known, self.config.window, self.config.scales) if known else []
        return sorted(without_duplicates([*found, *(box for box in near if box is not None)])), due

    def reset(self) -> None:
        """Searches the whole of the next frame."""
        self._scanned_at = None

    def _due(self, time: float) -> bool:
        if self._scanned_at is None or time < self._scanned_at:
            return True
        return 1000 * (time - self._scanned_at) >= self.config.full_scan_ms
