"""The loop of `femo live` with several sources: one network for the faces of all, and their frames in one grid."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from femo_jax.live.drawing.draw import draw, status_text
from femo_jax.live.drawing.grid import Grid
from femo_jax.live.image import InputImage
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.playing.player import PlayerBase, awaited, judge_stills_like, mirrored
from femo_jax.live.playing.summary import FpsMeter, SourceSummary
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
from femo_jax.live.results import FrameResult
from femo_jax.live.sources.group import Round, SourceGroup
from femo_jax.live.stream import EmotionStream, recognize_together

_LONGEST_NAME = 32  # letters of a name on a frame


def recognition_together(
    recognizer: EmotionRecognizer, streams: Sequence[EmotionStream], *, cropped: bool = False
) -> Callable[[Round], dict[int, FrameResult]]:
    """Recognition of the frames of several sources; the network sees the faces of a round at once.

    Args:
      recognizer: gets the limits of the streams' configuration below which a cropped face's label is uncertain.
      streams: a new one of this recogniser for each source, which share their numbers.
      cropped: each frame is one face crop, and nothing is detected.

    Returns:
      A function that gives the faces of each frame of a round, by the number of its source.
    """
    judge_stills_like(recognizer, streams[0])

    def recognize(frames: Round) -> dict[int, FrameResult]:
        images, times = [frame.image for frame in frames.values()], [frame.time for frame in frames.values()]
        if cropped:
            found = recognize_stills(recognizer, list(map(InputImage, images)), cropped=True)
            results = [replace(result, time=seconds) for result, seconds in zip(found, times, strict=True)]
        else:
            results = recognize_together([streams[number] for number in frames], images, times)
        return dict(zip(frames, results, strict=True))

    return recognize


class GroupPlayer(PlayerBase[Round, Mapping[int, FrameResult]]):
    """Plays several sources together, one group.

    `fps_meter` and `summary` are of the frames of all sources; the latter has each source as well. On its frames a
    source has its name, frame rate and latency as status. The video takes the grid, no more often than its rate; the
    log has the names of the sources.
    """

    def play(
        self, group: SourceGroup, max_frames: int | None = None, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """Plays until the sources end, the window is closed, a stop is requested, or `max_frames` are done.

        Args:
          group: the sources.
          max_frames: of all sources together, after which it ends; None plays all.
          on_progress: is called after each round.

        Raises:
          FemoError: the last source broke down, or what they gave could not be written; what came before is written.
        """

        def left() -> int | None:
            return None if max_frames is None else max_frames - self.summary.frames

        self._grid: Grid | None = None
        self._time = self._video_due = -np.inf
        self._meters = [FpsMeter() for _ in group.names]
        self.summary.sources = {name: SourceSummary() for name in group.names}
        began, dropped = time.monotonic(), group.dropped
        try:
            for frames in awaited(group, self._stop, self._window, lambda: left() == 0):
                self._fade(group)
                self._play(dict(list(frames.items())[: left()]), group)
                on_progress()
        finally:
            self.summary.seconds = time.monotonic() - began
            for number, source in enumerate(self.summary.sources.values()):
                source.dropped = group.dropped[number] - dropped[number]
                source.given_up = number in group.given_up
            self.summary.dropped = sum(source.dropped for source in self.summary.sources.values())

    def _fade(self, group: SourceGroup) -> None:
        """Darkens the last frames of sources that were given up since the last round."""
        for number, source in enumerate(self.summary.sources.values()):
            if number in group.given_up and not source.given_up:
                source.given_up = True
                if self._grid is not None:
                    self._grid.fade(number)

    def _play(self, frames: Round, group: SourceGroup) -> None:
        if self._mirror:
            frames = {number: mirrored(frame) for number, frame in frames.items()}
        began = time.monotonic()
        results = self._recognize(frames)
        for number, result in results.items():
            self.summary.add(result)
            self.summary.sources[group.names[number]].frames += 1
            if self._log is not None:
                self._log.write(frames[number].index, result, group.names[number])
        self._time = max(self._time, *(frame.time for frame in frames.values()))  # sources take turns by a hair
        grid = self._drawn(frames, results, group.names)
        if grid is not None and self._video is not None:
            self._write(self._video, grid)
        now = time.monotonic()
        for number, frame in frames.items():
            latency_ms = 1000 * (now - (frame.time if group.live else began))
            for meter in (self.fps_meter, self._meters[number]):
                meter.update(now, latency_ms)
        if grid is not None and self._screen is not None:
            self._screen.show(grid, self._time, live=group.live)

    def _drawn(self, frames: Round, results: Mapping[int, FrameResult], names: Sequence[str]) -> np.ndarray | None:
        """The grid with the new frames and their faces; None where nobody would see it."""
        if self._screen is None and self._video is None:
            return None
        if self._grid is None:
            self._grid = Grid(len(names), [frame.image.shape[1::-1] for frame in frames.values()])
        for number, frame in frames.items():
            meter = self._meters[number]
            status = f"{_short(names[number])}  {status_text(meter.frames_per_second, meter.latency_ms)}".rstrip()
            self._grid.put(number, draw(frame.image, results[number].faces, self._drawing, status))
        return self._grid.image

    def _write(self, video: VideoWriter, grid: np.ndarray) -> None:
        """Writes the grid unless one was written a moment ago: cameras that are out of step give a round each."""
        step = 1 / video.frames_per_second
        if self._time >= self._video_due - step / 2:
            video.write(grid, self._time)
            self._video_due = max(self._video_due, self._time - step) + step


def _short(name: str) -> str:
    """The end of a name, which differs most, in the letters that can be drawn."""
    shown = name if len(name) <= _LONGEST_NAME else "..." + name[3 - _LONGEST_NAME :]
    return shown.encode("ascii", "replace").decode("ascii")
