"""Recognition for clients: uploaded images, and the frames of a browser's camera."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from femo_jax.errors import SourceError
from femo_jax.live.config import StreamConfig
from femo_jax.live.detection import create_detector
from femo_jax.live.image import InputImage
from femo_jax.live.output.records import Prediction, frame_record
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills
from femo_jax.live.sources.image_size import declared_size
from femo_jax.live.sources.images import decode_image
from femo_jax.web.settings import Settings


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
      upload_bytes: of a request.
      files: of a request.
      pixels: of an image.
      camera_bytes: of a frame of a browser's camera.
      camera_pixels: of such a frame.
      clients: streams of frames and events at a time.
      cameras: browsers' cameras at a time.
      requests_per_second: of a client, for images.
      waiting: requests with images that wait at a time.
    """

    upload_bytes: int = 20_000_000
    files: int = 16
    pixels: int = 25_000_000
    camera_bytes: int = 2_000_000
    camera_pixels: int = 2_100_000
    clients: int = 64
    cameras: int = 4
    requests_per_second: float = 20.0
    waiting: int = 16


class Stills:
    """Recognises images that clients send; used by one thread at a time."""

    def __init__(self, recognizer: EmotionRecognizer, settings: Settings) -> None:
        """Makes a detector of its own, so that the server's source does not wait for the search in an upload."""
        self._recognizer = recognizer.with_detector(create_detector(settings.detector))
        self._detector = settings.detector

    def predict(self, files: Sequence[tuple[str, bytes]], settings: Settings, most_pixels: int) -> list[dict[str, Any]]:
        """The faces of uploaded images, as `femo predict --json` has them.

        Raises:
          SourceError: one of them is no image, or has too many pixels.
        """
        self._follow(settings)
        images = [InputImage(_decoded(name, contents, most_pixels)) for name, contents in files]
        results = recognize_stills(self._recognizer, images)
        return [Prediction(Path(name), result).as_dict() for (name, _), result in zip(files, results, strict=True)]

    def camera(self, settings: Settings) -> "CameraStream":
        """A stream of frames of one browser."""
        return CameraStream(self._recognizer, settings)

    def _follow(self, settings: Settings) -> None:
        if settings.detector != self._detector:
            self._detector = settings.detector
            self._recognizer.detector = create_detector(settings.detector)
        self._recognizer.uncertain_below = settings.track.uncertain_below
        self._recognizer.min_contrast = settings.track.min_contrast


class CameraStream:
    """Recognition in the frames of one browser's camera."""

    def __init__(self, recognizer: EmotionRecognizer, settings: Settings) -> None:
        """Begins without faces."""
        self._recognizer = recognizer.with_detector(create_detector(settings.detector))
        self._settings = settings
        self._stream = self._recognizer.stream(StreamConfig(settings.search, settings.track))
        self._frames = 0

    def __call__(self, contents: bytes, settings: Settings, most_pixels: int) -> dict[str, Any]:
        """The record of a frame, as `/v1/faces` gives it; times are those at which frames arrived.

        Raises:
          SourceError: it is no image, or has too many pixels.
        """
        if settings is not self._settings:
            if settings.detector != self._settings.detector:
                self._recognizer.detector = create_detector(settings.detector)
            self._settings = settings
            self._stream.config = StreamConfig(settings.search, settings.track)
        began = time.monotonic()
        result = self._stream(_decoded("frame", contents, most_pixels), began)
        self._frames += 1
        record = frame_record(self._frames - 1, result)
        return record | {
            "number": self._frames,
            "class_names": list(self._recognizer.class_names),
            "latency_ms": round(1000 * (time.monotonic() - began), 2),
        }


def _decoded(name: str, contents: bytes, most_pixels: int) -> Any:
    """An image, after a look at the size that its header declares."""
    width, height = declared_size(contents)
    if width * height > most_pixels:
        raise SourceError(f"{name}: declares {width}x{height} pixels; expected at most {most_pixels:,}.")
    return decode_image(contents, name)
