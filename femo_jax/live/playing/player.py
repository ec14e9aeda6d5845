"""The loop of `femo live`: recognises the frames of a source, and draws, shows, records and logs them."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

import cv2
import numpy as np

from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.draw import draw, status_text
from femo_jax.live.image import InputImage
from femo_jax.live.output.records import FrameLog
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.playing.summary import FpsMeter, Summary
from femo_jax.live.playing.window import PreviewWindow
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
from femo_jax.live.results import FrameResult
from femo_jax.live.sources import Frame, FrameSource
from femo_jax.live.sources.group import SourceGroup
from femo_jax.live.sources.live import LiveSource
from femo_jax.live.stream import EmotionStream
from femo_jax.signals import Stopped, StopRequest

_LONGEST_WAIT = 1.0  # seconds for which the preview of a clip waits for the next frame at most
_LOOK_EVERY = 0.05  # seconds between two looks at the window while a camera gives no frame

_Taken = TypeVar("_Taken")
_Found = TypeVar("_Found")


def recognition(
    recognizer: EmotionRecognizer, stream: EmotionStream, *, cropped: bool = False
) -> Callable[[Frame], FrameResult]:
    """Recognition of the frames of one source: faces are followed; a still image, or a cropped face, stands alone.

    Args:
      recognizer: gets the limits of the stream's configuration below which a still's label is uncertain.
      stream: a new one, of this recogniser.
      cropped: each frame is one face crop, and nothing is detected.

    Returns:
      A function that gives the faces of the next frame.
    """
    judge_stills_like(recognizer, stream)

    def recognize(frame: Frame) -> FrameResult:
        if cropped or frame.still:
            return recognize_stills(recognizer, [InputImage(frame.image)], cropped=cropped, time=frame.time)[0]
        return stream(frame.image, frame.time)

    return recognize


def judge_stills_like(recognizer: EmotionRecognizer, stream: EmotionStream) -> None:
    """Gives a recogniser the limits of a stream's configuration below which a still's label is uncertain."""
    recognizer.uncertain_below = stream.config.track.uncertain_below
    recognizer.min_contrast = stream.config.track.min_contrast


class PlayerBase(Generic[_Taken, _Found]):
    """What a player has, whatever it plays; what it has no window, video or log for is left out.

    Attributes:
      summary: of all that was played.
      fps_meter: frame rate and latency just now.
    """

    def __init__(
        self,
        recognize: Callable[[_Taken], _Found],
        stop: StopRequest,
        *,
        drawing: DrawConfig | None = None,
        mirror: bool = False,
        window: PreviewWindow | None = None,
        video: VideoWriter | None = None,
        log: FrameLog | None = None,
    ) -> None:
        """Prepares to play.

        Args:
          recognize: gives the faces of what is taken from the source at a time.
          stop: the request that ends playing: after that, or at once while it waits for it.
          drawing: what is drawn on the frames.
          mirror: whether frames are mirrored before anything else.
          window: shows the annotated frames, those of clips no faster than they were taken.
          video: takes the annotated frames.
          log: takes the results.
        """
        self.summary = Summary()
        self.fps_meter = FpsMeter()
        self._recognize = recognize
        self._stop = stop
        self._drawing = drawing
        self._mirror = mirror
        self._window = window
        self._screen = Screen(window) if window is not None else None
        self._video = video
        self._log = log


class Player(PlayerBase[Frame, FrameResult]):
    """Plays sources, one after the other; but for images, the video lasts as long as what it shows."""

    def play(
        self, source: FrameSource, max_frames: int | None = None, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """Plays until the source ends, the window is closed, a stop is requested, or `max_frames` are done.

        Args:
          source: of the frames.
          max_frames: after which it ends; None plays all.
          on_progress: is called after each frame.

        Raises:
          FemoError: the source broke down, or what it gave could not be written; what came before is written.
        """

        def enough() -> bool:
            return max_frames is not None and self.summary.frames >= max_frames

        began, dropped = time.monotonic(), source.dropped
        try:
            for frame in awaited(source, self._stop, self._window, enough):
                self._play(mirrored(frame) if self._mirror else frame, source.live)
                on_progress()
        finally:
            self.summary.seconds += time.monotonic() - began
            self.summary.dropped += source.dropped - dropped

    def _play(self, frame: Frame, live: bool) -> None:
        began = frame.time if live else time.monotonic()
        result = self._recognize(frame)
        self.summary.add(result)
        if self._log is not None:
            self._log.write(frame.index, result)
        image = self._annotated(frame, result)
        if self._video is not None:
            self._video.write(image, None if frame.still else frame.time)
        now = time.monotonic()
        self.fps_meter.update(now, 1000 * (now - began))
        if self._screen is not None:
            self._screen.show(image, frame.time, live=live, still=frame.still)

    def _annotated(self, frame: Frame, result: FrameResult) -> np.ndarray:
        """The frame with its faces, where anybody will see it."""
        if self._screen is None and self._video is None:
            return frame.image
        status = None if frame.still else status_text(self.fps_meter.frames_per_second, self.fps_meter.latency_ms)
        return draw(frame.image, result.faces, self._drawing, status)


class Screen:
    """Shows frames in a window: those of live sources at once, those of clips no faster than they were taken."""

    def __init__(self, window: PreviewWindow) -> None:
        """Begins without a frame."""
        self._window = window
        self._due = 0.0
        self._shown: float | None = None

    def show(self, image: np.ndarray, seconds: float, *, live: bool, still: bool = False) -> None:
        """Shows the next frame when it is due.

        Args:
          image: `[h, w, 3] uint8` BGR.
          seconds: time of the frame, on its source's clock.
          live: it is of a live source.
          still: it is an image that stands alone, which stays until a key is pressed.
        """
        if not live and not still:
            since = 0.0 if self._shown is None else min(max(seconds - self._shown, 0.0), _LONGEST_WAIT)
            now = time.monotonic()
            self._due = max(self._due + since, now)
            self._window.wait(self._due - now)
        self._shown = seconds
        if still:
            self._window.hold(image)
        else:
            self._window.show(image)


def awaited(
    source: Iterable[_Taken], stop: StopRequest, window: PreviewWindow | None, enough: Callable[[], bool]
) -> Iterator[_Taken]:
    """Gives what a source gives, until it ends, the window is closed, a stop is requested, or it is enough.

    The person at the window is answered while a live source, which may be unplugged, gives nothing.

    Args:
      source: `FrameSource` or `SourceGroup`.
      stop: the request, which also ends the wait.
      window: where there is one.
      enough: is asked before each wait.
    """
    items = iter(source)
    while not enough():
        if window is not None:
            while isinstance(source, LiveSource | SourceGroup) and not (
                window.ended or stop or source.wait(_LOOK_EVERY)
            ):
                window.wait(0.0)
            if window.ended:
                return
        try:
            with stop.interruptible():
                item = next(items)
        except (StopIteration, Stopped):
            return
        yield item


def mirrored(frame: Frame) -> Frame:
    """A frame with left and right exchanged, as a selfie camera shows it."""
    return replace(frame, image=cv2.flip(frame.image, 1))
