"""The loop of `femo live`: recognises the frames of a source, and draws, shows, records and logs them."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.draw import draw, status_text
from femo_jax.live.image import InputImage
from femo_jax.live.output.records import FrameLog
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.playing.window import PreviewWindow
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
from femo_jax.live.results import FrameResult
from femo_jax.live.sources import Frame, FrameSource
from femo_jax.live.sources.live import LiveSource
from femo_jax.live.stream import EmotionStream
from femo_jax.signals import Stopped, StopRequest

_LONGEST_WAIT = 1.0  # seconds for which the preview of a clip waits for the next frame at most
_LOOK_EVERY = 0.05  # seconds between two looks at the window while a camera gives no frame
_RECENT = 1.0  # seconds over which frame rate and latency are averaged
_KEPT = 10_000  # frames whose times are kept: a run may last for weeks


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
    recognizer.uncertain_below = stream.config.track.uncertain_below
    recognizer.min_contrast = stream.config.track.min_contrast

    def recognize(frame: Frame) -> FrameResult:
        if cropped or frame.still:
            return recognize_stills(recognizer, [InputImage(frame.image)], cropped=cropped, time=frame.time)[0]
        return stream(frame.image, frame.time)

    return recognize


class Player:
    """Plays sources; what it has no window, video or log for is left out.

    Attributes:
      summary: of all that was played.
      fps_meter: frame rate and latency just now.
    """

    def __init__(
        self,
        recognize: Callable[[Frame], FrameResult],
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
          recognize: gives the faces of a frame.
          stop: the request that ends playing: after the current frame, or at once while it waits for one.
          drawing: what is drawn on the frames.
          mirror: whether frames are mirrored before anything else.
          window: shows the annotated frames, those of a clip no faster than they were taken.
          video: takes the annotated frames; but for images, its clip lasts as long as what it shows.
          log: takes the results.
        """
        self.summary = Summary()
        self.fps_meter = FpsMeter()
        self._recognize = recognize
        self._stop = stop
        self._drawing = drawing
        self._mirror = mirror
        self._window = window
        self._video = video
        self._log = log
        self._due = 0.0
        self._shown: float | None = None

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
        began, dropped = time.monotonic(), source.dropped
        try:
            for frame in self._frames(source, max_frames):
                self._play(replace(frame, image=cv2.flip(frame.image, 1)) if self._mirror else frame, source.live)
                on_progress()
        finally:
            self.summary.seconds += time.monotonic() - began
            self.summary.dropped += source.dropped - dropped

    def _frames(self, source: FrameSource, max_frames: int | None) -> Iterator[Frame]:
        frames = iter(source)
        while max_frames is None or self.summary.frames < max_frames:
            if self._window is not None:
                self._keep_alive(self._window, source)
                if self._window.ended:
                    return
            try:
                with self._stop.interruptible():
                    frame = next(frames)
            except (StopIteration, Stopped):
                return
            yield frame

    def _keep_alive(self, window: PreviewWindow, source: FrameSource) -> None:
        """Answers the person at the window until a live source, which may be unplugged, has its next frame."""
        while isinstance(source, LiveSource) and not (window.ended or self._stop or source.wait(_LOOK_EVERY)):
            window.wait(0.0)

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
        if self._window is not None:
            self._show(self._window, image, frame, live)

    def _annotated(self, frame: Frame, result: FrameResult) -> np.ndarray:
        """The frame with its faces, where anybody will see it."""
        if self._window is None and self._video is None:
            return frame.image
        status = None if frame.still else status_text(self.fps_meter.frames_per_second, self.fps_meter.latency_ms)
        return draw(frame.image, result.faces, self._drawing, status)

    def _show(self, window: PreviewWindow, image: np.ndarray, frame: Frame, live: bool) -> None:
        """Shows a frame at its time: of a live source at once, of a clip when it is due."""
        if not live and not frame.still:
            since = 0.0 if self._shown is None else min(max(frame.time - self._shown, 0.0), _LONGEST_WAIT)
            now = time.monotonic()
            self._due = max(self._due + since, now)
            window.wait(self._due - now)
        self._shown = frame.time
        if frame.still:
            window.hold(image)
        else:
            window.show(image)


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
        """How many different faces were followed, and in single images how many there were in all."""
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
