"""Several sources that are played together: rounds of frames, at most one of each source."""

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence

from femo_jax.errors import ConfigError, SourceError
from femo_jax.live.sources.addresses import redacted
from femo_jax.live.sources.frame import Frame, FrameSource
from femo_jax.live.sources.live import LiveSource

logger = logging.getLogger(__name__)

Round = Mapping[int, Frame]
"""Frames that are recognised together, by the number of their source from 0; one or more."""

_LOOK_EVERY = 0.1  # seconds between two looks for sources that are to be given up
_TOGETHER = 0.005  # seconds: containers round the times of frames


class SourceGroup:
    """Several sources, to be iterated over once; whoever opened them closes them.

    Of cameras and network streams a round has the newest frame of each that has a new one, so that none waits for
    another. Clips have a common clock, which begins with the first frame of each: a round has their frames of one time,
    and each frame is in one round. A source that breaks down is left out from then on, with a warning in the log.

    Attributes:
      live: whether the sources are cameras and network streams.
      names: of the sources, no two the same.
      given_up: numbers of the sources that broke down.
    """

    def __init__(self, sources: Sequence[FrameSource], names: Sequence[str]) -> None:
        """Prepares to play.

        Args:
          sources: at least one.
          names: for each, as `source_names` makes them.

        Raises:
          ConfigError: some are live and others are not, or images that stand alone are among them.
        """
        self.names = list(names)
        self.given_up: set[int] = set()
        self._sources = list(sources)
        self._came = threading.Event()
        self._live = {number: each for number, each in enumerate(sources) if isinstance(each, LiveSource)}
        self.live = bool(self._live)
        clips = [name for number, name in enumerate(names) if number not in self._live]
        if self.live and clips:
            raise ConfigError(
                f"{clips[0]} is a clip, and {names[next(iter(self._live))]} is live. Name cameras and network streams"
                " together, or clips together."
            )
        for source, name in zip(sources, names, strict=True):
            if not source.live and source.frames_per_second is None:
                raise ConfigError(
                    f"{name}: images stand alone. Beside other sources, play them as a clip with --rate FPS; or name"
                    " them all by one folder or pattern."
                )
        for source in self._live.values():
            source.on_frame = self._came.set

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def dropped(self) -> list[int]:
        """Frames that nobody took, so far, of each source."""
        return [source.dropped for source in self._sources]

    def __iter__(self) -> Iterator[Round]:
        """Gives round after round.

        Raises:
          SourceError: the last source that was left broke down.
        """
        return self._live_rounds() if self.live else self._clip_rounds()

    def wait(self, seconds: float) -> bool:
        """Waits up to so many seconds; whether iterating then goes on, or ends, without waiting any more."""
        self._came.clear()
        return self._is_ready() or (self._came.wait(seconds) and self._is_ready())

    def _is_ready(self) -> bool:
        return not self._live or any(source.wait(0.0) for source in self._live.values())

    def _live_rounds(self) -> Iterator[Round]:
        while self._live:
            while not self.wait(_LOOK_EVERY):
                pass
            frames = {}
            for number, source in list(self._live.items()):
                try:
                    frame = source.take()
                except SourceError as error:
                    del self._live[number]
                    self._give_up(number, error, bool(self._live))
                else:
                    if frame is not None:
                        frames[number] = frame
                    elif source.closed:
                        del self._live[number]
            if frames:
                yield frames

    def _clip_rounds(self) -> Iterator[Round]:
        left = {number: iter(source) for number, source in enumerate(self._sources)}
        heads: dict[int, Frame] = {}
        while True:
            for number in [number for number in left if number not in heads]:
                try:
                    heads[number] = next(left[number])
                except StopIteration:
                    del left[number]
                except SourceError as error:
                    del left[number]
                    self._give_up(number, error, bool(left))
            if not heads:
                return
            due = min(frame.time for frame in heads.values()) + _TOGETHER
            yield {number: heads.pop(number) for number in sorted(heads) if heads[number].time <= due}

    def _give_up(self, number: int, error: SourceError, others: bool) -> None:
        self.given_up.add(number)
        if not others:
            raise error
        logger.warning("%s The other sources are played on.", error)


def source_names(specs: Sequence[str]) -> list[str]:
    """A name for each source, as others may read it: no secrets, and no two the same.

    Args:
      specs: as `femo_jax.live.sources.open_source` takes them.

    Returns:
      Names such as `camera 0`, `rtsp://***@host/door` and `clip.mp4`; those that are the same have a number behind.
    """
    names: list[str] = []
    for spec in specs:
        name = f"camera {spec}" if re.fullmatch("[0-9]+", spec) else redacted(spec)
        number, unique = 1, name
        while unique in names:
            number += 1
            unique = f"{name} ({number})"
        names.append(unique)
    return names
