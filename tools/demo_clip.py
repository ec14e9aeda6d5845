"""The image and the clip of `make demo`, made from a photograph in the public domain that scikit-image ships.

    python tools/demo_clip.py demo/astronaut.png demo/astronaut.mp4

The photograph is a portrait of an astronaut by NASA. A camera zooms in on her face, pans away from it, comes back and
zooms out again, in eight seconds.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator
from skimage.data import astronaut

from femo_jax.live.output.records import write_image
from femo_jax.live.output.video import VideoWriter

SIZE = (640, 480)
FRAMES_PER_SECOND = 25.0

CAMERA = np.array(
    [
        # second, column and row in the middle of the view, height of the view, in pixels of the photograph
        [0.0, 256, 192, 384],
        [0.8, 256, 192, 384],
        [2.4, 225, 130, 220],
        [3.0, 225, 130, 220],
        [4.2, 365, 390, 220],
        [5.0, 365, 390, 220],
        [6.2, 225, 130, 220],
        [6.6, 225, 130, 220],
        [7.6, 256, 192, 384],
        [8.0, 256, 192, 384],
    ]
)


def frames(photograph: np.ndarray) -> Iterator[np.ndarray]:
    """The frames of the clip, `[480, 640, 3] uint8`, from the photograph `[512, 512, 3] uint8`."""
    path = PchipInterpolator(CAMERA[:, 0], CAMERA[:, 1:])
    for second in np.arange(0.0, CAMERA[-1, 0], 1 / FRAMES_PER_SECOND):
        column, row, height = path(second)
        zoom = SIZE[1] / height
        view = np.array([[zoom, 0, SIZE[0] / 2 - zoom * column], [0, zoom, SIZE[1] / 2 - zoom * row]])
        yield cv2.warpAffine(photograph, view, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def main() -> None:
    """Writes the image and the clip."""
    parser = argparse.ArgumentParser(description="The image and the clip of `make demo`.")
    parser.add_argument("image", type=Path, help="for example astronaut.png")
    parser.add_argument("clip", type=Path, help="for example astronaut.mp4")
    arguments = parser.parse_args()
    photograph = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    write_image(arguments.image, photograph)
    with VideoWriter(arguments.clip, FRAMES_PER_SECOND) as clip:
        for frame in frames(photograph):
            clip.write(frame)


if __name__ == "__main__":
    main()
