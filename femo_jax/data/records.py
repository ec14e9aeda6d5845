"""What a prepared data set holds of an image."""

import io
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

OnProgress = Callable[[str, int, int], None]
"""Called with the stage (`read` or `write`), images done, images in all."""


class Example(NamedTuple):
    """One image of a data set.

    Attributes:
      image: `[48, 48] uint8`, grey.
      label: index of its class.
      name: where it comes from; the same for no other image of its split.
      votes: `[10] uint8` FER+ votes, where the data set has them.
    """

    image: np.ndarray
    label: int
    name: str
    votes: np.ndarray | None = None


def utf8(name: str) -> str:
    """A name whose bytes are not UTF-8 with these written as `\\xff`: TFDS takes text alone."""
    return name.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")


def png(image: np.ndarray) -> io.BytesIO:
    """An image `[h, w] uint8` as PNG. TFDS would start TensorFlow for each image to encode it."""
    _, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return io.BytesIO(encoded.tobytes())
