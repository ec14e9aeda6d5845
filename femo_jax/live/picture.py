"""A frame, checked once, in the forms that detection, cropping and drawing need."""

from functools import cached_property

import cv2
import numpy as np

from femo_jax.live.boxes import Box

_CHANNELS = (1, 3, 4)
_TAKEN = (
    "A picture is a numpy array [height, width] of grey, or [height, width, channels] of grey (1), BGR (3) or BGRA (4),"
    " in uint8, in uint16 up to 65535, or in float from 0 to 1."
)


class Picture:
    """A valid picture; each of its forms is made when it is first asked for, and then kept.

    A contiguous uint8 picture is used as it is, without a copy: do not change the array while the picture is in use.

    Attributes:
      width: in pixels.
      height: in pixels.
    """

    def __init__(self, image: np.ndarray) -> None:
        """Checks a picture.

        Args:
          image: `[h, w]` or `[h, w, 1]` grey, `[h, w, 3]` BGR or `[h, w, 4]` BGRA, whose alpha is left out; uint8,
            uint16 in 0..65535 or float in 0..1; contiguous or not.

        Raises:
          ValueError: it is none of these, or it is empty, or holds NaN or infinity, or floats outside 0..1.
        """
        _check_form(image)
        _check_values(image)
        self.height, self.width = image.shape[:2]
        self._image = image[..., 0] if image.shape[2:] == (1,) else image

    @property
    def box(self) -> Box:
        """All of the picture."""
        return Box(0, 0, self.width, self.height)

    @cached_property
    def grey(self) -> np.ndarray:
        """The luminance (ITU-R BT.601), `[h, w] uint8`, contiguous and read-only."""
        image = self._bytes
        if image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY)
        return _read_only(image)

    @cached_property
    def bgr(self) -> np.ndarray:
        """The colours, `[h, w, 3] uint8` BGR, contiguous and read-only: draw on a copy."""
        image = self._bytes
        if image.ndim == 2 or image.shape[2] == 4:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_BGRA2BGR)
        return _read_only(image)

    @cached_property
    def _bytes(self) -> np.ndarray:
        """All channels as contiguous uint8."""
        image = np.ascontiguousarray(self._image)
        if image.dtype == np.uint8:
            return image
        if image.dtype.kind == "u":
            # OpenCV takes the bytes of the machine's own order alone; 65535 / 257 is 255.
            return cv2.convertScaleAbs(image.astype(np.uint16, copy=False), alpha=1 / 257)
        return cv2.convertScaleAbs(image.astype(np.float32, copy=False), alpha=255)


def _check_form(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise ValueError(f"not a numpy array but {type(image).__name__}. {_TAKEN}")
    if not (image.dtype.kind == "f" or (image.dtype.kind == "u" and image.dtype.itemsize <= 2)):
        raise ValueError(f"a picture of dtype {image.dtype}. {_TAKEN}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in _CHANNELS):
        raise ValueError(f"a picture of shape {list(image.shape)}. {_TAKEN}")
    if image.size == 0:
        raise ValueError(f"an empty picture of shape {list(image.shape)}. {_TAKEN}")


def _check_values(image: np.ndarray) -> None:
    """Refuses floats that are no grey values; the smallest and the largest tell, since NaN counts as either."""
    if image.dtype.kind != "f":
        return
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("a picture with NaN or infinity. Its values must be finite.")
    if low < 0 or high > 1:
        raise ValueError(
            f"a float picture with values from {low:g} to {high:g}, expected 0 to 1. Divide by the value of white,"
            " or give uint8."
        )


def _read_only(image: np.ndarray) -> np.ndarray:
    view = image.view()
    view.flags.writeable = False
    return view
