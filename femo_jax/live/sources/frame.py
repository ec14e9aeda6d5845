"""A frame, and what all sources of frames have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a source.

    Attributes:
      index: its number in the source, from 0; frames that were dropped, and pictures that could not be read, count.
      time: in seconds on the source's clock: `time.monotonic()` of a live source, position in a clip.
      image: `[h, w, 3] uint8` BGR.
      name: of its source, `camera 0` or the path of a clip; the path of a picture.
      still: it is a single picture, unrelated to the one before it.
    """

    index: int
    time: float
    image: np.ndarray
    name: str
    still: bool = False


class FrameSource(Protocol):
    """Frames one after the other; a context manager, to be iterated over once.

    Attributes:
      live: the frames come at their own pace, and those that come too fast are dropped.
      frames_per_second: as the source announces it, which a network stream often does wrongly; None if it does not.
      dropped: frames that nobody took, so far.
    """

    @property
    def live(self) -> bool: ...

    @property
    def frames_per_second(self) -> float | None: ...

    @property
    def dropped(self) -> int: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Lets go of camera, connection or file; iterating ends."""
        ...

    def __enter__(self) -> "FrameSource": ...

    def __exit__(self, *_: object) -> None: ...
