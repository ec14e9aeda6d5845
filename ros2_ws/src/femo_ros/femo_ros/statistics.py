"""What became of the images: counted by several threads, reported once a second."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERIODS = 9
"""Intervals between images of which the median is the camera's period."""


@dataclass(frozen=True)
class Latency:
    """Of the results of one report, in milliseconds."""

    median: float
    percentile_95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency | None":
        """Summarise latencies in seconds; None where there was no result."""
        if not seconds:
            return None
        median, percentile_95 = np.percentile(seconds, (50, 95)) * 1000
        return cls(float(median), float(percentile_95))


@dataclass(frozen=True)
class Report:
    """What happened since the report before.

    Attributes:
      rate_in: images received a second.
      rate_out: results published a second.
      from_stamp: latency from the header's stamp to the published result; None without stamps or results, and where
        the stamps are of another clock.
      from_arrival: latency from the arrival of an image to the published result; None without results.
      clock_offset: seconds by which the clock of the stamps differs from the node's; None where they are the same.
      dropped: images that gave way to newer ones, since the node started.
      drawings_dropped: annotated images that gave way to newer ones, since the node started.
      undecodable: images that could not be read, since the node started.
      failed: images on which recognition itself failed, since the node started.
      new_errors: undecodable and failed images since the report before.
      last_error: what was wrong with the last of these; empty where there was none.
      faces: in the last result.
      since_image: seconds since the last image, or since the node began to listen; None while it does not.
      since_result: seconds for which images have come without a result; None where the last one has its result.
      any_image: whether an image came since the node began to listen.
      period: median time between two images, in seconds; None before the second image.
    """

    rate_in: float
    rate_out: float
    from_stamp: Latency | None
    from_arrival: Latency | None
    clock_offset: float | None
    dropped: int
    drawings_dropped: int
    undecodable: int
    failed: int
    new_errors: int
    last_error: str
    faces: int
    since_image: float | None
    since_result: float | None
    any_image: bool
    period: float | None


class Statistics:
    """Counters that the receiving and the working threads share; all times are seconds on a steady clock."""

    def __init__(self, now: float) -> None:
        """Begin without images."""
        self._lock = threading.Lock()
        self._dropped = 0
        self._drawings_dropped = 0
        self._undecodable = 0
        self._failed = 0
        self._last_error = ""
        self._faces = 0
        self._listening_since: float | None = None
        self._last_image: float | None = None
        self._unanswered_since: float | None = None
        self._last_result: float | None = None
        self._intervals: deque[float] = deque(maxlen=PERIODS)
        self._clock_offset: float | None = None
        self._rate_out = 0.0
        self._begin(now)

    @property
    def rate_out(self) -> float:
        """Results a second, as of the last report."""
        return self._rate_out

    @property
    def period(self) -> float | None:
        """Median time between two images in seconds; None before the second image."""
        with self._lock:
            return self._period()

    def idle(self, now: float) -> float | None:
        """Seconds since the last image and the last result; None before the first result, and while not listening."""
        with self._lock:
            if self._last_result is None or self._last_image is None:
                return None
            return now - max(self._last_image, self._last_result)

    def listen(self, now: float) -> None:
        """Expect images from now on."""
        with self._lock:
            self._listening_since, self._last_image = now, None
            self._unanswered_since = self._last_result = self._clock_offset = None

    def stop_listening(self) -> None:
        """Expect no images any more, and no faces."""
        with self._lock:
            self._listening_since = self._last_image = self._unanswered_since = self._last_result = None
            self._faces = 0

    def received(self, now: float, dropped: bool) -> None:
        """Count an image, and an older one that gave way to it."""
        with self._lock:
            if self._last_image is not None:
                self._intervals.append(now - self._last_image)
            self._last_image = now
            if self._unanswered_since is None:
                self._unanswered_since = now
            self._received += 1
            self._dropped += dropped

    def answered(self, now: float, faces: int, from_stamp: float | None, from_arrival: float) -> None:
        """Count a result that was published so many seconds after its image was taken and received."""
        with self._lock:
            self._faces = faces
            self._last_result = now
            self._unanswered_since = None
            self._from_arrival.append(from_arrival)
            if from_stamp is not None:
                self._from_stamp.append(from_stamp)

    def clock_differs(self, offset: float | None) -> bool:
        """Note by how many seconds the stamps' clock differs (None: it does not); return whether that is new."""
        with self._lock:
            new = offset is not None and self._clock_offset is None
            self._clock_offset = offset
        return new

    def no_faces(self) -> None:
        """Note that the faces of the last result are out of sight."""
        with self._lock:
            self._faces = 0

    def drawing_dropped(self) -> None:
        """Count an annotated image that gave way to a newer one."""
        with self._lock:
            self._drawings_dropped += 1

    def undecodable(self, why: str) -> None:
        """Count an image that could not be read."""
        with self._lock:
            self._undecodable += 1
            self._errors += 1
            self._last_error = why

    def failed(self, why: str) -> None:
        """Count an image that was read, but on which recognition failed."""
        with self._lock:
            self._failed += 1
            self._errors += 1
            self._last_error = why

    def report(self, now: float) -> Report:
        """Sum up what happened since the last report, and begin the next one."""
        with self._lock:
            seconds = max(now - self._began, 1e-9)
            self._rate_out = len(self._from_arrival) / seconds
            listening = self._listening_since is not None
            last = self._last_image or self._listening_since
            report = Report(
                rate_in=self._received / seconds,
                rate_out=self._rate_out,
                from_stamp=Latency.of(self._from_stamp),
                from_arrival=Latency.of(self._from_arrival),
                clock_offset=self._clock_offset,
                dropped=self._dropped,
                drawings_dropped=self._drawings_dropped,
                undecodable=self._undecodable,
                failed=self._failed,
                new_errors=self._errors,
                last_error=self._last_error,
                faces=self._faces,
                since_image=now - last if listening and last is not None else None,
                since_result=None if self._unanswered_since is None else now - self._unanswered_since,
                any_image=self._last_image is not None,
                period=self._period(),
            )
            self._begin(now)
        return report

    def _period(self) -> float | None:
        return float(np.median(self._intervals)) if self._intervals else None

    def _begin(self, now: float) -> None:
        self._began = now
        self._received = 0
        self._errors = 0
        self._from_stamp: list[float] = []
        self._from_arrival: list[float] = []
