"""The newest frame of a source, between the thread that recognises and the clients that look at it."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import cv2
import numpy as np

from femo_jax.errors import FemoError
from femo_jax.live.drawing.draw import draw
from femo_jax.live.output.records import frame_record
from femo_jax.live.results import FrameResult

_QUALITY = 80  # of JPEG: twice as small as 95, and no difference is seen in motion
_SILENT_FOR = 2.0  # seconds without a frame after which a live source counts as lost


class ViewedFrame:
    """A frame as clients see it; its picture is encoded once, when the first of them asks.

    Attributes:
      number: of the frames that were published, from 1.
      record: the frame and its faces as the API gives them.
    """

    def __init__(self, number: int, record: dict[str, Any], draw_image: Callable[[], np.ndarray]) -> None:
        """Keeps what makes the picture until it is asked for."""
        self.number = number
        self.record = record
        self._draw_image: Callable[[], np.ndarray] | None = draw_image
        self._encoded: Future[bytes] = Future()
        self._lock = threading.Lock()

    def jpeg(self) -> bytes:
        """The annotated frame as JPEG; waits where another thread encodes it already.

        Raises:
          FemoError: it cannot be encoded.
        """
        with self._lock:
            draw_image, self._draw_image = self._draw_image, None
        if draw_image is not None:
            try:
                done, contents = cv2.imencode(".jpg", draw_image(), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
                if not done:
                    raise FemoError("the frame could not be encoded as JPEG.")
                self._encoded.set_result(contents.tobytes())
            except Exception as error:
                self._encoded.set_exception(error)
        return self._encoded.result()


class LiveView:
    """Holds the newest frame only: clients that are slow miss frames, and cost neither memory nor time.

    One thread publishes; any number of clients wait in one event loop, which `attach` names.

    Attributes:
      source: the name of the source, without secrets; None where there is none.
      class_names: of the model.
    """

    def __init__(self, source: str | None, class_names: tuple[str, ...]) -> None:
        """Begins without a frame."""
        self.source = source
        self.class_names = class_names
        self._newest: ViewedFrame | None = None
        self._published_at = time.monotonic()
        self._problem: str | None = None
        self._ended = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def newest(self) -> ViewedFrame | None:
        """The newest frame; None before the first."""
        return self._newest

    @property
    def closed(self) -> bool:
        """Whether the server is about to end."""
        return self._closed

    def status(self) -> dict[str, Any]:
        """`state` and a `message` for a person.

        States are `no source`, `starting`, `live`, `waiting` for a source that gives no frames, and `ended`.
        """
        silent = time.monotonic() - self._published_at
        if self.source is None:
            return {"state": "no source", "message": "The server has no camera or clip of its own."}
        if self._ended:
            return {"state": "ended", "message": "The clip has ended."}
        if self._problem is not None:
            return {"state": "waiting", "message": self._problem}
        if self._newest is None:
            return {"state": "starting", "message": "Waiting for the first frame."}
        if silent > _SILENT_FOR:
            return {"state": "waiting", "message": f"No frame for {silent:.0f} s. femo tries to open the source again."}
        return {"state": "live", "message": ""}

    def publish(
        self,
        index: int,
        image: np.ndarray,
        result: FrameResult,
        *,
        frames_per_second: float | None = None,
        latency_ms: float | None = None,
        dropped: int = 0,
    ) -> None:
        """Replaces the newest frame and wakes the clients that wait for one.

        Args:
          index: of the frame in its source.
          image: `[h, w, 3] uint8` BGR; it is drawn on later and must not be changed.
          result: its faces.
          frames_per_second: of recognition just now.
          latency_ms: from the frame to its result.
          dropped: frames that the source dropped so far.
        """
        number = 1 if self._newest is None else self._newest.number + 1
        record = frame_record(index, result)
        record |= {
            "number": number,
            "class_names": list(self.class_names),
            "frames_per_second": None if frames_per_second is None else round(frames_per_second, 2),
            "latency_ms": None if latency_ms is None else round(latency_ms, 2),
            "dropped": dropped,
        }
        self._newest = ViewedFrame(number, record, lambda: draw(image, result.faces))
        self._published_at, self._problem, self._ended = time.monotonic(), None, False
        self._wake()

    def report_problem(self, message: str) -> None:
        """States why no frames come, until the next one does."""
        self._problem = message
        self._wake()

    def end(self) -> None:
        """The source has no more frames; the last one stays."""
        self._ended = True
        self._wake()

    def close(self) -> None:
        """Lets all clients go: those that wait get None."""
        self._closed = True
        self._wake()

    def attach(self) -> None:
        """Names the running event loop as that of the clients."""
        self._loop = asyncio.get_running_loop()

    async def after(self, number: int, timeout: float) -> ViewedFrame | None:
        """Waits for a frame that comes after the one of a number.

        Args:
          number: of the frame that the client has; 0 for none.
          timeout: seconds to wait at most.

        Returns:
          The newest frame; None where the time is over or the view closed.
        """
        deadline = time.monotonic() + timeout
        while not self._closed:
            if self._newest is not None and self._newest.number > number:
                return self._newest
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await asyncio.wait([waiting], timeout=left)
            finally:
                self._waiting.discard(waiting)
        return None

    def _wake(self) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        try:
            self._loop.call_soon_threadsafe(self._wake_waiting)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits
            return

    def _wake_waiting(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
