"""Normalisation of grey images, the same in training, evaluation and recognition."""

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import jax

Images = TypeVar("Images", np.ndarray, "jax.Array")

IMAGE_SIZE = 48
"""Height and width in pixels of a FER-2013 face."""

# Mean and standard deviation of the pixels of FER-2013's Training split, scaled to 0..1.
FER2013_MEAN = 0.5077
FER2013_STD = 0.2550


def normalize(images: Images, mean: float = FER2013_MEAN, std: float = FER2013_STD) -> Images:
    """Standardise images of NumPy or JAX: uint8 in 0..255, or float in 0..1, of any shape -> float32 of that shape."""
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / 255.0
    return (images - mean) / std
