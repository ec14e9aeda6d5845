"""Counters of the server in the text format of Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from femo_jax.live.results import FrameResult

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCIES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The metrics of one server; each has the prefix `femo_`."""

    def __init__(self) -> None:
        """Begins with zeros, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.frames = Counter("femo_frames", "Frames recognised of the source.", registry=self.registry)
        self.dropped = Counter("femo_frames_dropped", "Frames that the source dropped.", registry=self.registry)
        self.faces = Gauge("femo_faces", "Faces in the newest frame.", registry=self.registry)
        self.latency = Histogram(
            "femo_frame_latency_seconds",
            "Seconds from a frame to its result.",
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.clients = Gauge("femo_clients", "Clients that are connected.", ["kind"], registry=self.registry)
        self.missed = Counter(
            "femo_client_frames_missed", "Frames that clients missed.", ["kind"], registry=self.registry
        )
        self.requests = Counter("femo_requests", "Requests answered.", ["status"], registry=self.registry)
        self.images = Counter("femo_images", "Images recognised for clients.", ["kind"], registry=self.registry)

    def add(self, result: FrameResult, latency_ms: float, dropped: int) -> None:
        """Counts a frame, and how many the source dropped since the one before."""
        self.frames.inc()
        self.dropped.inc(dropped)
        self.faces.set(len(result.faces))
        self.latency.observe(latency_ms / 1000)

    @contextmanager
    def client(self, kind: str) -> Iterator[None]:
        """Counts a client while the block runs."""
        self.clients.labels(kind).inc()
        try:
            yield
        finally:
            self.clients.labels(kind).dec()

    def text(self) -> bytes:
        """All metrics."""
        return generate_latest(self.registry)
