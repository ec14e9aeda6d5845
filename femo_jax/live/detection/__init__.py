"""Face detection: one interface, two detectors behind it."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection.haar import HaarDetector
from femo_jax.live.detection.yunet import YuNetDetector
from femo_jax.live.image import Box, CropGeometry, InputImage


class Detector(Protocol):
    """Finds faces in whole images, and known faces again near the place where they were."""

    geometry: CropGeometry
    """How to crop what FER-2013 would show from the boxes of this detector."""

    def detect(self, image: InputImage, *, still: bool = True) -> list[Box]:
        """All faces of an image, one box each: whole pixels of the image, inside it, ordered by x, then by y.

        A box may be a `DetectedFace`, with the detector's score and landmarks.

        Args:
          image: to be searched.
          still: whether it stands alone, and is worth a thorough search; False for a frame of a stream.
        """
        ...

    def detect_near(
        self, image: InputImage, boxes: Sequence[Box], window_scale: float, scale_range: float
    ) -> list[Box | None]:
        """Looks for known faces again, each by itself: two boxes may well find the same face.

        Args:
          image: the frame.
          boxes: where the faces were.
          window_scale: side of the square in which a face is looked for, as a multiple of its box.
          scale_range: factor by which a face may have grown or shrunk.

        Returns:
          For each box where its face is now, as `detect` gives it, or None where none is found.
        """
        ...


@runtime_checkable
class DividedDetector(Detector, Protocol):
    """Also searches a frame in parts, so that a stream can spread a scan over its frames."""

    def detect_first(self, image: InputImage) -> list[Box]:
        """All faces of the first frame of a stream, as thoroughly as all parts together search; as `detect`."""
        ...

    def parts(self, width: int, height: int) -> Sequence[float]:
        """The parts of a scan of a frame: the share of each in the work of one scan.

        Their sum is the number of scans after which the parts begin again; these may complement each other.

        Args:
          width: of the frame, in pixels.
          height: of the frame, in pixels.
        """
        ...

    def detect_part(self, image: InputImage, part: int, region: Box, known: Sequence[Box]) -> list[Box]:
        """Faces that one part of a scan finds.

        Args:
          image: the frame.
          part: index in `parts`.
          region: where to search, in pixels of the frame; faces that touch it are found.
          known: faces that need not be found.

        Returns:
          Boxes as `detect` gives them, in no order; one face may be there twice.
        """
        ...


def create_detector(config: DetectorConfig) -> Detector:
    """Makes the detector that a configuration names.

    Raises:
      ConfigError: the cascade or model file is missing, or is not one.
      FemoError: the published model of YuNet cannot be fetched.
    """
    return YuNetDetector(config) if config.kind == "yunet" else HaarDetector(config)
