"""Face crops from image files, for data sets."""

from collections.abc import Callable

import numpy as np

from femo_jax.live.detection import Detector
from femo_jax.live.image import WHOLE_IMAGE, Box, InputImage, crop_faces
from femo_jax.live.sources.images import decode_image
from femo_jax.preprocess import IMAGE_SIZE


def face_reader(detector: Detector | None = None) -> Callable[..., np.ndarray | None]:
    """A function that makes a face crop of an image file's content.

    Args:
      detector: finds the faces, of which the largest is taken; None where each image is a face crop. Of one that is not
        square, the square of the same area around its middle is taken.

    Returns:
      A function of the content and the name of a file, and of the box of the face where that is known (`x y width
      height` in pixels). It gives `[48, 48] uint8`, grey, each pixel the mean of the area that it covers; None where
      there is no face. It raises SourceError for what is no image.
    """

    def read(content: bytes, name: str, box: tuple[float, float, float, float] | None = None) -> np.ndarray | None:
        image = InputImage(decode_image(content, name))
        if box is not None:
            return crop_faces(image.grey, [Box(*box)], WHOLE_IMAGE, IMAGE_SIZE)[0]
        if detector is None:
            return crop_faces(image.grey, [image.box], WHOLE_IMAGE, IMAGE_SIZE)[0]
        boxes = detector.detect(image)
        if not boxes:
            return None
        largest = max(boxes, key=lambda box: box.w * box.h)
        return crop_faces(image.grey, [largest], detector.geometry, IMAGE_SIZE)[0]

    return read
