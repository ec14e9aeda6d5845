"""What became of the images: counted by two threads, reported once a second."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """Of the results of one report, in milliseconds."""

    median: float
    percentile_95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency | None":
        """None where there was no result."""
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
      from_stamp: latency from the header's stamp to the published result; None without stamps or results.
      from_arrival: latency from the arrival of an image to the published result; None without results.
      dropped: images that gave way to newer ones, since the node started.
      undecodable: images that could not be read, since the node started.
      failed: images on which recognition itself failed, since the node started.
      new_errors: undecodable and failed images since the report before.
      last_error: what was wrong with the last of these; empty where there was none.
      faces: in the last result.
      since_image: seconds since the last image, or since the node began to listen; None while it does not.
      any_image: whether an image came since the node began to listen.
    """

    rate_in: float
    rate_out: float
    from_stamp: Latency | None
    from_arrival: Latency | None
    dropped: int
    undecodable: int
    failed: int
    new_errors: int
    last_error: str
    faces: int
    since_image: float | None
    any_image: bool


class Statistics:
    """Counters that the receiving and the working thread share; all times are seconds on a steady clock."""

    def __init__(self, now: float) -> None:
        """Nothing happened yet."""
        self._lock = threading.Lock()
        self._dropped = 0
        self._undecodable = 0
        self._failed = 0
        self._last_error = ""
        self._faces = 0
        self._listening_since: float | None = None
        self._last_image: float | None = None
        self._rate_out = 0.0
        self._begin(now)

    @property
    def rate_out(self) -> float:
        """Results a second, as of the last report."""
        return self._rate_out

    def listen(self, now: float) -> None:
        """Images are expected from now on."""
        with self._lock:
            self._listening_since, self._last_image = now, None

    def stop_listening(self) -> None:
        """No images are expected any more, and no faces seen."""
        with self._lock:
            self._listening_since, self._last_image, self._faces = None, None, 0

    def received(self, now: float, dropped: bool) -> None:
        """An image came, and an older one may have given way to it."""
        with self._lock:
            self._last_image = now
            self._received += 1
            self._dropped += dropped

    def answered(self, faces: int, from_stamp: float | None, from_arrival: float) -> None:
        """A result was published, so many seconds after the image was taken and received."""
        with self._lock:
            self._faces = faces
            self._from_arrival.append(from_arrival)
            if from_stamp is not None:
                self._from_stamp.append(from_stamp)

    def undecodable(self, why: str) -> None:
        """An image could not be read."""
        with self._lock:
            self._undecodable += 1
            self._errors += 1
            self._last_error = why

    def failed(self, why: str) -> None:
        """An image was read, but recognition failed."""
        with self._lock:
            self._failed += 1
            self._errors += 1
            self._last_error = why

    def report(self, now: float) -> Report:
        """Sums up what happened since the last report, and begins the next one."""
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
                dropped=self._dropped,
                undecodable=self._undecodable,
                failed=self._failed,
                new_errors=self._errors,
                last_error=self._last_error,
                faces=self._faces,
                since_image=now - last if listening and last is not None else None,
                any_image=self._last_image is not None,
            )
            self._begin(now)
        return report

    def _begin(self, now: float) -> None:
        self._began = now
        self._received = 0
        self._errors = 0
        self._from_stamp: list[float] = []
        self._from_arrival: list[float] = []
