"""Faces by OpenCV's Haar cascades: a coarse scan for places, then a close look at each."""

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from femo_jax.errors import ConfigError
from femo_jax.files import library_path
from femo_jax.live.config import DetectorConfig
from femo_jax.live.image import Box, CropGeometry, DetectedFace, InputImage, cut_square, overlaps, without_duplicates

CASCADES = Path(__file__).parent / "cascades"
"""Cascades of OpenCV, under the licence at their head: the OpenCV of Debian and Ubuntu comes without them."""

CASCADE = "haarcascade_frontalface_alt2.xml"
"""The cascade that is used where none is named."""

_LOOK_SIZE = 2.4
"""Size of a face in a close look, as a multiple of the cascade's window: from 2 on OpenCV moves it pixel by pixel.
The boxes of a face that moves with the frame stray by 0.6 % of their size; by 0.9 % at 2, and no less at 3."""

_LOOK_STEP = 1.08
"""Step from one size of face to the next in a close look."""

_LOOK_WINDOW = 1.4
"""Side of the square at which a close look is taken after a scan, as a multiple of the place that the scan found."""

_LOOK_SCALES = 1.25
"""Factor by which a face may be larger or smaller than the place that the scan found."""

_SECOND_CASCADE = "haarcascade_frontalface_default.xml"
"""The cascade that searches a still again where the first finds nothing certain: it fails on other faces."""

_SECOND_SCALE_FACTOR, _SECOND_MIN_NEIGHBORS = 1.1, 8
"""How the second cascade searches: of 107 images in which the first finds none of the one face of each, it finds 18,
and 3 false ones; with 3 neighbours 22 and 11."""

_SECOND_MIN_SIZE = 40.0
"""Side in pixels of the smallest face that the second cascade searches for."""

_CONFIRMING_CASCADE = "haarcascade_frontalface_alt.xml"
"""The cascade that must find a new face of a stream as well: it fails on other places that are none."""

_CONFIRMED = 5
"""Hits of it in a close look from which on a face is confirmed: of 540 true faces in frames of four photographs 406 are
shown at 2 to 5 hits, the fewest false ones at 5."""

_FIRST_STEP = 1.07
"""Step from one size of face to the next in the first frame of a stream: all later scans have other chances."""

_SECOND_DURATION = 2.0
"""Scans of the first cascade in the time of one of the second, which takes longer and rarely finds what that misses."""

_BANDS = 8
"""Parts that a scan is divided into at least: sizes of face with more work have several bands, those with less share
one part."""

_KNOWN = 0.3
"""Overlap from which on a place is that of a known face."""

_CERTAIN = 20
"""Hits in a close look from which on a face is certain: its score is 1."""

_LARGE = 0.15
"""Part of the shorter side of a still from which on a face is large: a small one alone may well be a false one."""

_SUBPIXELS = 16
"""Fractions of a pixel to which overlapping hits are averaged: OpenCV groups boxes of whole numbers."""

_GROUP_TOLERANCE = 0.2
"""Difference of overlapping hits relative to their size, as OpenCV itself groups them."""


class _Part(NamedTuple):
    scanner: "HaarDetector"
    reduction: float  # factor by which a frame is reduced
    scales: tuple[float, float]  # smallest and largest size of a face as multiples of the cascade's window
    top: float  # rows of the frame in which a face begins
    bottom: float
    share: float  # of the work of a scan


class HaarDetector:
    """Viola and Jones's detector (CVPR 2001), with a cascade of OpenCV's form.

    The frame is reduced until the smallest face asked for just fills the cascade's window, where OpenCV moves it in
    steps of two pixels, and scanned. Each place with as little as one hit is then looked at closely, and a face must
    gather `min_neighbors` hits there.

    OpenCV's cascades keep state while they search: calls from several threads wait for each other.

    Attributes:
      geometry: how to crop its boxes.
    """

    # By `tools/crop_margin.py`: in FER-2013 the eyes lie at 0.40 and the mouth at 0.74 of the height. They lie
    # there for scale 0.99 and shift -0.01 about the boxes of 54 faces in photographs and clips (std 0.08 and 0.02), and
    # for 0.95 and -0.01 about those of 1,185 faces of FER-2013 itself, all of whose surroundings are missing. Boxes of
    # OpenCV's `default` and `alt` have the same sizes within 2 %. The most confident scale is 1.2 (mean confidence 0.61
    # against 0.57 on those 54), which does not show that it is right: no emotion of these faces is known.
    geometry = CropGeometry(scale=1.0, shift=0.0)

    def __init__(self, config: DetectorConfig) -> None:
        """Loads the cascade.

        Raises:
          ConfigError: its file is missing or is not a cascade.
        """
        self._config = config
        self._cascade = _load(config.model or CASCADES / CASCADE)
        self._window = max(self._cascade.getOriginalWindowSize())
        self._lock = threading.Lock()
        self._divided: tuple[tuple[int, int], list[_Part]] | None = None
        self._second: HaarDetector | None = None
        self._confirming: HaarDetector | None = None
        if config.model is None:
            self._confirming = HaarDetector(replace(config, model=CASCADES / _CONFIRMING_CASCADE, min_neighbors=1))
            second = {"scale_factor": _SECOND_SCALE_FACTOR, "min_neighbors": _SECOND_MIN_NEIGHBORS}
            self._second = HaarDetector(replace(config, model=CASCADES / _SECOND_CASCADE, **second))

    def detect(self, image: InputImage, *, still: bool = True) -> list[Box]:
        """All faces of an image; see `Detector.detect`."""
        smallest, _ = self._config.sizes(image.width, image.height, still=still)
        found = self._looked(image, self._scan(image, smallest, self._config.scale_factor))
        if still and self._second is not None:
            large = _LARGE * min(image.width, image.height)
            certain = [face.size for face, hits in found if hits >= _CERTAIN]
            if len(certain) < 2 and max(certain, default=0) < large:
                second = self._second
                places = second._scan(image, max(smallest, _SECOND_MIN_SIZE), second._config.scale_factor)
                found += second._looked(image, places)
                # The largest come first: false faces lie inside true ones.
                found.sort(key=lambda face: -face[0].size)
        return sorted(without_duplicates([box for box, _ in found]))

    def detect_first(self, image: InputImage) -> list[Box]:
        """All faces of the first frame of a stream; see `DividedDetector.detect_first`."""
        smallest, _ = self._config.sizes(image.width, image.height, still=False)
        step = min(_FIRST_STEP, self._config.scale_factor)
        places = self._scan(image, smallest, step)
        return sorted(without_duplicates([face for face, _ in self._confirmed(image, self._looked(image, places))]))

    @property
    def _scanners(self) -> "list[HaarDetector]":
        """The detectors whose places are looked at in a stream: each finds some that the other does not."""
        return [self] if self._second is None else [self, self._second]

    def parts(self, width: int, height: int) -> list[float]:
        """Sizes of face by each cascade, small ones in bands, large ones together; see `DividedDetector.parts`."""
        return [part.share for part in self._parts(width, height)]

    def detect_part(self, image: InputImage, part: int, region: Box, known: Sequence[Box]) -> list[Box]:
        """New faces of some sizes in a band; see `DividedDetector.detect_part`."""
        scanner, reduction, scales, top, bottom, _ = self._parts(image.width, image.height)[part]
        smallest, size = (scale * scanner._window / reduction for scale in scales)
        left, right = region.x - size, region.x + region.w + size
        # All windows that begin in the band.
        upper, lower = max(region.y - size, top), min(region.y + region.h, bottom) + size
        x, y, w, h = map(
            int, Box(left, upper, right - left, lower - upper).clipped(image.width, image.height).rounded()
        )
        if min(w, h) < smallest - 1:
            return []
        reduced, to_frame = _resized(image.grey[y : y + h, x : x + w], reduction)
        places, _ = _grouped(scanner._hits_of(reduced, scales, self._config.scale_factor), 1)
        boxes = [Box(*(place * to_frame + (x, y, 0, 0))) for place in places]
        new = overlaps(boxes, known).max(axis=1, initial=0.0) < _KNOWN
        places = [box for box, is_new in zip(boxes, new, strict=True) if is_new]
        faces = [face for face, _ in self._confirmed(image, self._looked(image, places))]
        # The size searched for may be at the edge of those at which a face is found: a second look is about its middle.
        again = self.detect_near(image, faces, _LOOK_WINDOW, _LOOK_SCALES)
        return [face if better is None else better for face, better in zip(faces, again, strict=True)]

    def _parts(self, width: int, height: int) -> "list[_Part]":
        """The parts of a scan by each cascade in turn, kept for the size of frame that was asked for last."""
        if self._divided is not None and self._divided[0] == (width, height):
            return self._divided[1]
        parts = []
        for scanner in self._scanners:
            duration = 1.0 if scanner is self else _SECOND_DURATION
            reduction, scales = scanner._levels(width, height, self._config.scale_factor)
            work = [_positions(width * reduction, height * reduction, scanner._window, scale) for scale in scales]
            shares = np.array(work) / max(sum(work), 1.0)
            first = 0
            for last, scale in enumerate(scales):
                share = float(shares[first : last + 1].sum())
                if last + 1 < len(scales) and _BANDS * (share + shares[last + 1]) < 1:
                    continue
                bands = max(1, round(_BANDS * share))
                for band in range(bands):
                    top, bottom = (height * edge / bands for edge in (band, band + 1))
                    part = _Part(scanner, reduction, (scales[first], scale), top, bottom, duration * share / bands)
                    parts.append(part)
                first = last + 1
        self._divided = (width, height), parts
        return parts

    def _levels(self, width: int, height: int, step: float) -> tuple[float, list[float]]:
        """Factor by which a frame is reduced, and sizes of face as multiples of the cascade's window."""
        smallest, largest = self._config.sizes(width, height, still=False)
        reduction = min(1.0, self._window / smallest)
        most = min(largest, width, height) * reduction / self._window
        count = math.floor(math.log(most, step) + 1e-9) + 1 if most >= 1 else 0
        return reduction, [step**index for index in range(count)]

    def _hits_of(self, image: np.ndarray, scales: tuple[float, float], step: float) -> np.ndarray:
        """The windows of some sizes that pass the cascade, `[hits, 4] int`; each size is a power of `step`."""
        window = self._cascade.getOriginalWindowSize()
        (least, most) = ([round(scale * side) for side in window] for scale in scales)
        if image.shape[1] < least[0] or image.shape[0] < least[1]:
            return np.empty((0, 4), np.int32)
        return self._passing(image, step, least, most)

    def _looked(self, image: InputImage, places: Sequence[Box]) -> list[tuple[Box, int]]:
        """Faces at places, each with its number of hits, the most certain first; a face may be there several times."""
        found = []
        for place in places:
            found += self._look(image, place, _LOOK_WINDOW, _LOOK_SCALES)
        return sorted(found, key=lambda face: (-face[1], face[0]))

    def _confirmed(self, image: InputImage, found: list[tuple[Box, int]]) -> list[tuple[Box, int]]:
        """Those faces that another cascade finds as well; all of them with a cascade of the user."""
        if self._confirming is None:
            return found
        confirmed = []
        for box, hits in found:
            again = self._confirming._look(image, box, _LOOK_WINDOW, _LOOK_SCALES)
            if any(count >= _CONFIRMED and overlaps([box], [other]).item() >= _KNOWN for other, count in again):
                confirmed.append((box, hits))
        return confirmed

    def detect_near(
        self, image: InputImage, boxes: Sequence[Box], window_scale: float, scale_range: float
    ) -> list[Box | None]:
        """Known faces again; see `Detector.detect_near`."""
        near: list[Box | None] = []
        for box in boxes:
            found = [face for face, _ in self._look(image, box, window_scale, scale_range)]
            near.append(max(found, key=lambda face: overlaps([box], [face]).item(), default=None))
        return near

    def _scan(self, image: InputImage, smallest: float, step: float) -> list[Box]:
        """Places where a face may be, in pixels of the frame; sizes are a factor `step` apart."""
        _, largest = self._config.sizes(image.width, image.height, still=False)
        reduction = min(1.0, self._window / smallest)
        reduced, to_frame = _resized(image.grey, reduction)
        places, _ = _grouped(self._hits(reduced, step, 0, largest * reduction), 1)
        return [Box(*(place * to_frame)) for place in places]

    def _look(self, image: InputImage, place: Box, window_scale: float, scale_range: float) -> list[tuple[Box, int]]:
        """The faces of about a place's size in a square about it, each with its number of hits."""
        size = _LOOK_SIZE * self._window
        tile = round(window_scale * size)
        side = window_scale * place.size
        x, y = place.center
        hits = self._hits(cut_square(image.grey, x, y, side, tile), _LOOK_STEP, size / scale_range, size * scale_range)
        boxes, counts = _grouped(hits, max(self._config.min_neighbors, 1))
        boxes = boxes * (side / tile) + (x - side / 2, y - side / 2, 0, 0)
        faces = (
            (DetectedFace.of(Box(*box).rounded().clipped(image.width, image.height), min(1.0, count / _CERTAIN)), count)
            for box, count in zip(boxes, map(int, counts), strict=True)
        )
        return [(face, count) for face, count in faces if face.size]

    def _hits(self, image: np.ndarray, step: float, smallest: float, largest: float) -> np.ndarray:
        """All windows of an image that pass the cascade, `[hits, 4] int`."""
        if min(*image.shape, largest) < self._window:  # not even one fits
            return np.empty((0, 4), np.int32)
        low, high = math.floor(smallest), math.ceil(largest)
        return self._passing(image, step, (low, low), (high, high))

    def _passing(self, image: np.ndarray, step: float, least: Sequence[int], most: Sequence[int]) -> np.ndarray:
        """The windows from a size to another, each width and height, that pass the cascade: `[hits, 4] int`."""
        if self._config.equalize:
            image = cv2.equalizeHist(image)
        with self._lock:
            hits = self._cascade.detectMultiScale(image, step, 0, 0, least, most)
        return np.array(hits, np.int32).reshape(-1, 4)


def _load(path: Path) -> cv2.CascadeClassifier:
    if not path.is_file():
        raise ConfigError(f"{path}: no such cascade file. Name one of OpenCV's .xml files, or none for femo's own.")
    cascade = cv2.CascadeClassifier()
    try:
        with library_path(path) as name:
            loaded = cascade.load(name)
    except cv2.error as error:
        raise _not_a_cascade(path) from error
    if not loaded:
        raise _not_a_cascade(path)
    return cascade


def _not_a_cascade(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: not a cascade that OpenCV reads. Name one of OpenCV's .xml files, or none for femo's own."
    )


def _positions(width: float, height: float, window: int, scale: float) -> float:
    """About how many windows of a size OpenCV looks at in an image: up to twice the cascade's, every other pixel."""
    step = 1 if scale > 2 else 2
    return max(width / scale - window, 1) * max(height / scale - window, 1) / step**2


def _resized(image: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """An image reduced or enlarged, and `[4] float64` by which its boxes become boxes of the image as it was."""
    height, width = image.shape
    new = cv2.resize(
        image,
        (max(round(width * factor), 1), max(round(height * factor), 1)),
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    )
    return new, np.array([width / new.shape[1], height / new.shape[0]] * 2)


def _grouped(hits: np.ndarray, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of the hits that overlap, `[groups, 4] float64`, and how many these are: at least `fewest`."""
    # OpenCV drops groups of one hit at all times: so each counts twice.
    twice = np.concatenate([hits, hits]) * _SUBPIXELS
    boxes, counts = cv2.groupRectangles(twice.tolist(), 2 * fewest - 1, _GROUP_TOLERANCE)
    return np.array(boxes, np.float64).reshape(-1, 4) / _SUBPIXELS, np.array(counts, np.int32).reshape(-1) // 2
