"""Where text goes on a frame: rectangles that stay inside it and off each other."""

from collections.abc import Sequence

import numpy as np

from femo_jax.live.boxes import Box

_COST_OF_TEXT = 4.0  # covering other text is worse than covering a face,
_COST_OF_RANK = 0.05  # and a place of lower rank is better than either, but for a trifle


class Layout:
    """The places on one frame that are taken by faces and by text.

    Attributes:
      width: of the frame, in pixels.
      height: of the frame, in pixels.
    """

    def __init__(self, width: int, height: int, faces: Sequence[Box]) -> None:
        """Begins with the faces alone."""
        self.width = width
        self.height = height
        self._taken = np.array(faces, np.float64).reshape(-1, 4)
        self._costs = np.ones(len(faces))

    def take(self, candidates: Sequence[Box]) -> Box:
        """Chooses the place that covers least of faces and text, and takes it.

        Args:
          candidates: at least one, the best first; each is moved into the frame before it is judged.
        """
        place, _ = self._best(candidates)
        self._take(place)
        return place

    def take_free(self, candidates: Sequence[Box], most: float, owner: Box) -> Box | None:
        """Like `take`, but takes nothing, and returns None, where even the best place is not free.

        Args:
          candidates: at least one, the best first.
          most: the part of a free place that may at most be taken by others; text counts fourfold.
          owner: the face that the place belongs to, of which it may cover less than half.
        """
        place, covered = self._best(candidates)
        own = _intersections(np.array([place]), np.array([owner])).item()
        if covered - own > most * place.w * place.h or own > owner.w * owner.h / 2:
            return None
        self._take(place)
        return place

    def _best(self, candidates: Sequence[Box]) -> tuple[Box, float]:
        """The best place, and what it covers."""
        places = np.array(candidates, np.float64)
        sizes = places[:, 2:]
        # What is larger than the frame begins at its left or upper edge.
        places[:, :2] = np.maximum(np.minimum(places[:, :2], (self.width, self.height) - sizes), 0)
        covered = _intersections(places, self._taken) @ self._costs
        rank = _COST_OF_RANK * np.arange(len(places)) * sizes.prod(axis=1)
        chosen = int((covered + rank).argmin())
        return Box(*places[chosen].tolist()), float(covered[chosen])

    def _take(self, place: Box) -> None:
        self._taken = np.vstack([self._taken, place])
        self._costs = np.append(self._costs, _COST_OF_TEXT)


def _intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Common area of all pairs in square pixels: boxes `[n, 4]`, `[m, 4]` -> `[n, m]`."""
    x, y, w, h = first.T[..., None]
    others_x, others_y, others_w, others_h = second.T
    columns = np.minimum(x + w, others_x + others_w) - np.maximum(x, others_x)
    rows = np.minimum(y + h, others_y + others_h) - np.maximum(y, others_y)
    return np.maximum(columns, 0) * np.maximum(rows, 0)
