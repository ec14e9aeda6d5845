"""What the TFDS builders write of an image."""

import io
from collections.abc import Callable

import cv2
import numpy as np

OnProgress = Callable[[str, int, int], None]
"""Called with the stage (`read` or `write`), images done, images in all."""


def utf8(name: str) -> str:
    """A name whose bytes are not UTF-8 with these written as `\\xff`: TFDS takes text alone."""
    return name.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")


def png(image: np.ndarray) -> io.BytesIO:
    """An image `[h, w] uint8` as PNG. TFDS would start TensorFlow again for each image to encode it."""
    _, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return io.BytesIO(encoded.tobytes())
