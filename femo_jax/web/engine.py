"""Recognition of the server's own source, in its own thread; clients look at it through a view."""

import math
import time
from collections.abc import Callable

import cv2

from femo_jax.errors import SourceError
from femo_jax.live.config import StreamConfig
from femo_jax.live.detection import create_detector
from femo_jax.live.playing.player import recognition
from femo_jax.live.playing.summary import FpsMeter
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.results import FrameResult
from femo_jax.live.sources.frame import Frame, FrameSource
from femo_jax.signals import Stopped, StopRequest
from femo_jax.web.metrics import Metrics
from femo_jax.web.settings import Settings
from femo_jax.web.view import LiveView

_LONGEST_WAIT = 1.0  # seconds for which a clip waits for its next frame at most
_RETRY_AFTER = 2.0  # seconds between two attempts to open a source that broke down
_LOOK_EVERY = 0.05  # seconds between two looks at whether the server is to end


class Engine:
    """Plays a source again and again until it is asked to stop: a clip from its beginning, a camera when it is back.

    Attributes:
      settings: of detector, search and tracks; may be replaced at any time.
    """

    def __init__(
        self,
        recognizer: EmotionRecognizer,
        view: LiveView,
        metrics: Metrics,
        settings: Settings,
        *,
        mirror: bool = False,
        loop: bool = True,
    ) -> None:
        """Prepares to play.

        Args:
          recognizer: its detector is replaced where the settings of it change.
          view: gets every frame.
          metrics: count them.
          settings: at the start.
          mirror: whether frames are mirrored before anything else.
          loop: whether a clip begins again at its end.
        """
        self.settings = self._applied = settings
        self._recognizer = recognizer
        self._stream = recognizer.stream(StreamConfig(settings.search, settings.track))
        self._view = view
        self._metrics = metrics
        self._mirror = mirror
        self._loop = loop
        self._meter = FpsMeter()
        self._dropped = 0

    def run(self, source: FrameSource | None, reopen: Callable[[], FrameSource], stop: StopRequest) -> None:
        """Plays until a stop is requested.

        Args:
          source: is closed at the end; None where the server has none, and only waits.
          reopen: opens the source again, or raises SourceError.
          stop: ends it after the current frame, or at once while it waits.
        """
        current = source
        if source is None:
            _wait(math.inf, stop)
        while not stop:
            try:
                current = reopen() if current is None else current
                with current:
                    self._play(current, stop)
                if not self._loop and not current.live:
                    self._view.end()
                    _wait(math.inf, stop)
            except SourceError as error:
                self._view.report_problem(f"{error} femo tries again.")
                _wait(_RETRY_AFTER, stop)
            current = None

    def _play(self, source: FrameSource, stop: StopRequest) -> None:
        recognize = recognition(self._recognizer, self._stream)
        due, shown, self._dropped = 0.0, None, source.dropped
        frames = iter(source)
        while not stop:
            try:
                with stop.interruptible():
                    frame = next(frames)
                    if not source.live:
                        due, shown = self._await_turn(frame, due, shown), frame.time
            except (StopIteration, Stopped):
                return
            if self.settings is not self._applied:
                recognize = self._apply(self.settings)
            self._show(frame, recognize, source)

    def _apply(self, settings: Settings) -> Callable[[Frame], FrameResult]:
        """Recognition by other settings; tracks go on."""
        if settings.detector != self._applied.detector:
            self._recognizer.detector = create_detector(settings.detector)
        self._stream.config = StreamConfig(settings.search, settings.track)
        self._applied = settings
        return recognition(self._recognizer, self._stream)

    def _await_turn(self, frame: Frame, due: float, shown: float | None) -> float:
        """Waits until a frame of a clip, or the next image of a folder, is due."""
        since = 0.0 if shown is None else min(max(frame.time - shown, 0.0), _LONGEST_WAIT)
        now = time.monotonic()
        due = max(due + since, now)
        time.sleep(due - now)
        return due

    def _show(self, frame: Frame, recognize: Callable[[Frame], FrameResult], source: FrameSource) -> None:
        began = frame.time if source.live else time.monotonic()
        image = cv2.flip(frame.image, 1) if self._mirror else frame.image
        result = recognize(Frame(frame.index, frame.time, image, frame.name, frame.still))
        now = time.monotonic()
        self._meter.update(now, 1000 * (now - began))
        self._metrics.add(result, 1000 * (now - began), source.dropped - self._dropped)
        self._dropped = source.dropped
        self._view.publish(
            frame.index,
            image,
            result,
            frames_per_second=self._meter.frames_per_second,
            latency_ms=self._meter.latency_ms,
            dropped=source.dropped,
        )


def _wait(seconds: float, stop: StopRequest) -> None:
    deadline = time.monotonic() + seconds
    while not stop and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
