"""Work that is done for each face every so often, spread evenly over the frames of a stream."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Any)


class Turns:
    """Chooses the faces whose turn it is in a frame: those that have waited longest, about as many in each frame."""

    def __init__(self) -> None:
        """Nobody has waited yet."""
        self._credit = 0.0

    def choose(self, waited: Mapping[Key, float], elapsed: float, every: float) -> set[Key]:
        """Whose turn it is; to be asked once a frame for each face.

        Args:
          waited: seconds since the last turn of each face, by a key that can be ordered. Infinite, or twice `every` or
            more, it is the face's turn whatever others are.
          elapsed: seconds since the frame before.
          every: seconds between two turns of a face; a frame that comes later has the turns of all.

        Returns:
          Keys of `waited`.
        """
        chosen = {key for key, seconds in waited.items() if math.isinf(seconds) or seconds >= 2 * every}
        waiting = sorted(waited.keys() - chosen, key=lambda key: (-waited[key], key))
        share = len(waiting) * elapsed / every if waiting else 0.0
        # What could not be spent is not saved up, since it would be spent in one frame: a face's worth at the most.
        self._credit = min(self._credit, 1.0) + share
        for key in waiting[: math.floor(self._credit + 1e-9)]:
            if waited[key] >= every / 2:
                chosen.add(key)
                self._credit -= 1.0
        return chosen
