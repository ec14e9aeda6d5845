"""Writing a picture as a file, as a whole or not at all."""

from pathlib import Path

import cv2
import numpy as np

from femo_jax.errors import FemoError
from femo_jax.files import replacing


def write_picture(path: Path, image: np.ndarray) -> None:
    """Writes a picture in the format that the suffix of `path` names.

    Args:
      path: of the file, such as `face.png`.
      image: `[h, w] uint8` grey or `[h, w, 3] uint8` BGR.

    Raises:
      FemoError: OpenCV writes no such format, or the file cannot be written.
    """
    try:
        done, contents = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise FemoError(
            f"{path}: this OpenCV writes no {path.suffix or 'files without a suffix'}; try .png."
        ) from error
    if not done:
        raise FemoError(f"{path}: the picture could not be encoded as {path.suffix}; try .png.")
    with replacing(path) as beside:
        beside.write_bytes(contents.tobytes())
