"""Faces by YuNet, a small network behind OpenCV's `FaceDetectorYN`, with its published model or a file of the user."""

import math
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from femo_jax.errors import ConfigError
from femo_jax.files import library_path
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection.fetch import yunet_file
from femo_jax.live.image import Box, CropGeometry, DetectedFace, InputImage, overlaps

_SCAN_SIZE = 16.0
"""Size in pixels to which the smallest face is reduced. Of 112 faces of 30 pixels or more in 58 frames of 640x480, all
of which YuNet itself finds in the frames at twice their size, 82, 94, 100 and 105 are found at 10, 12, 16 and 20 in
3.6, 4.8, 5.7 and 7.5 ms; without reduction 111, in 39 ms."""

_CELL = 32
"""Pixels between the places where the network looks for its largest faces."""

_SMALLEST_INPUT = 2 * _CELL
"""Side in pixels below which the network gets no image: in one of 32 rows OpenCV 4.14 finds faces in nothing."""


class YuNetDetector:
    """YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023), on frames that are reduced as far as faces allow.

    A detector of OpenCV keeps state while it searches: calls from several threads wait for each other.

    Attributes:
      geometry: how to crop its boxes, which are higher than wide.
    """

    # By `tools/crop_margin.py`: eyes and mouth lie as in FER-2013 for scale 1.13 and shift -0.01 about the boxes
    # of 37 faces in eight photographs and frames of two clips (std 0.07 and 0.03), and in the photographs alone.
    geometry = CropGeometry(scale=1.1, shift=0.0)

    def __init__(self, config: DetectorConfig) -> None:
        """Loads the model and tries it on an empty image.

        Raises:
          ConfigError: its file is missing or is not a YuNet that this OpenCV can run.
          FemoError: no file is named, and the published model cannot be fetched.
        """
        self._config = config
        self._lock = threading.Lock()
        path = yunet_file() if config.model is None else Path(config.model)
        if not path.is_file():
            raise ConfigError(f"{path}: no such model file. Name a file of YuNet (.onnx) in `model`.")
        try:
            self._network = _load(path, config.score_threshold)
            self._run(np.zeros((_SMALLEST_INPUT, _SMALLEST_INPUT, 3), np.uint8))
        except cv2.error as error:
            raise ConfigError(
                f"{path}: not a YuNet that OpenCV {cv2.__version__} can run. Name a model file of YuNet (.onnx)."
            ) from error

    def detect(self, image: InputImage, *, still: bool = True) -> list[Box]:
        """All faces of an image; see `Detector.detect`."""
        smallest, largest = self._config.sizes(image.width, image.height, still=still)
        if self._config.max_size == 1:
            # Boxes are higher than wide: a face that fills a portrait is larger than its shorter side.
            largest = math.inf
        found = self._scan(image, Box(0, 0, image.width, image.height), smallest)
        return sorted(box for box in found if smallest <= box.size <= largest)

    def detect_near(
        self, image: InputImage, boxes: Sequence[Box], window_scale: float, scale_range: float
    ) -> list[Box | None]:
        """Known faces again, all in one scan of the part of the frame where they may be; see `Detector.detect_near`."""
        if not boxes:
            return []
        x, y, w, h = np.array(boxes, np.float64).T
        reach = (window_scale - 1) / 2
        left, top = (x - reach * w).min(), (y - reach * h).min()
        right, bottom = (x + w + reach * w).max(), (y + h + reach * h).max()
        smallest, _ = self._config.sizes(image.width, image.height, still=False)
        found = self._scan(image, Box(left, top, right - left, bottom - top), smallest)
        return [_nearest(box, found, scale_range) for box in boxes]

    def _scan(self, image: InputImage, region: Box, smallest: float) -> list[DetectedFace]:
        """The faces in a part of an image, in whole pixels of the image."""
        factor = min(1.0, _SCAN_SIZE / smallest)
        # On the grid of the network's cells a face is seen in the same way in each scan, whatever the part.
        region = _on_grid(region, _CELL / factor)
        x, y, w, h = region.clipped(image.width, image.height).rounded()
        if not w * h:
            return []
        width, height = max(round(w * factor), 1), max(round(h * factor), 1)
        reduced = cv2.resize(image.bgr[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_AREA)
        below, beside = max(_SMALLEST_INPUT - height, 0), max(_SMALLEST_INPUT - width, 0)
        padded = cv2.copyMakeBorder(reduced, 0, below, 0, beside, cv2.BORDER_CONSTANT)
        faces = (_in_frame(row, (x, y), (w / width, h / height), image) for row in self._run(padded))
        return [face for face in faces if face.size]

    def _run(self, image: np.ndarray) -> np.ndarray:
        """The faces in an image, `[faces, 15] float64`: box, five landmarks and score."""
        with self._lock:
            self._network.setInputSize((image.shape[1], image.shape[0]))
            _, faces = self._network.detect(image)
        return np.empty((0, 15)) if faces is None else faces.astype(np.float64)


def _load(path: Path, score: float) -> cv2.FaceDetectorYN:
    with library_path(path) as name:
        return cv2.FaceDetectorYN.create(name, "", (_SMALLEST_INPUT, _SMALLEST_INPUT), score)


def _in_frame(
    row: np.ndarray, origin: tuple[float, float], scale: tuple[float, float], image: InputImage
) -> DetectedFace:
    """A row of the network in pixels of the frame, of which it saw a part that begins at `origin`."""
    points = row[:14].reshape(7, 2) * scale
    box = Box(*(points[0] + origin), *points[1]).rounded().clipped(image.width, image.height)
    return DetectedFace.of(box, float(np.clip(row[14], 0, 1)), points[2:] + origin)


def _on_grid(box: Box, cell: float) -> Box:
    """The cells that a box touches, and at least two each way: the smallest input."""
    left, top = math.floor(box.x / cell), math.floor(box.y / cell)
    right = max(math.ceil((box.x + box.w) / cell), left + 2)
    bottom = max(math.ceil((box.y + box.h) / cell), top + 2)
    return Box(left * cell, top * cell, (right - left) * cell, (bottom - top) * cell)


def _nearest(known: Box, found: Sequence[DetectedFace], scale_range: float) -> Box | None:
    """The found box that overlaps a known one most, of those that touch it and are of like size."""
    like = [box for box in found if known.size / scale_range <= box.size <= known.size * scale_range]
    overlap = overlaps([known], like)[0]
    return like[int(overlap.argmax())] if overlap.any() else None
