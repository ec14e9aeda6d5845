"""Positions of faces in front of a calibrated camera: pure geometry, without ROS.

Positions are in metres in the camera's optical frame (REP-103): x to the right, y down, z along the view. A face's
distance comes from a depth image, or from the width that its box is known to span.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from femo_jax.live.image import Box

CENTRAL = 0.5
"""Part of a box's width and height, in its middle, of which the depth counts: beside a face, a box holds background."""

MIN_MEASURED = 0.1
"""Part of the pixels there that must have a depth."""

_ITERATIONS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-6)
_COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
_METRES = {"u": 0.001, "f": 1.0}  # of a depth image's numbers, as REP-118 has them


class PositionError(ValueError):
    """A camera whose calibration cannot be used; the text says why."""


@dataclass(frozen=True)
class Camera:
    """The calibration of images.

    Attributes:
      width: of the images, in pixels.
      height: of the images, in pixels.
      matrix: `[3, 3]`, intrinsic parameters in pixels.
      distortion: `[n]`, coefficients of OpenCV's models.
      fisheye: they are those of OpenCV's fisheye model, in ROS `equidistant`.
    """

    width: int
    height: int
    matrix: np.ndarray
    distortion: np.ndarray
    fisheye: bool = False

    def rays(self, points: np.ndarray) -> np.ndarray:
        """Return where the rays of points cross the plane at z = 1.

        Args:
          points: `[n, 2]`, columns and rows; a pixel's middle is half a pixel from its edges.

        Returns:
          `[n, 2]`, x and y; NaN for points that no ray in front of the camera reaches.
        """
        centers = np.asarray(points, np.float64).reshape(-1, 1, 2) - 0.5  # OpenCV counts from the middle of a pixel
        if self.fisheye:
            rays = cv2.fisheye.undistortPoints(centers, self.matrix, self.distortion).reshape(-1, 2)
            return np.where(np.abs(rays) < 1e3, rays, np.nan)
        identity = np.eye(3)
        undistorted = cv2.undistortPointsIter(centers, self.matrix, self.distortion, identity, identity, _ITERATIONS)
        return undistorted.reshape(-1, 2)


def camera_of(info: Any, rectified: bool = False) -> Camera:
    """Return the calibration in a `sensor_msgs/CameraInfo`.

    Args:
      info: the message.
      rectified: the images were rectified: P holds for them, and they are not distorted.

    Raises:
      PositionError: the camera is not calibrated, or its distortion is of an unknown model.
    """
    matrix = np.array(info.p, np.float64).reshape(3, 4)[:, :3] if rectified else np.array(info.k).reshape(3, 3)
    if not matrix[0, 0]:
        raise PositionError(f"the camera is not calibrated: {'P' if rectified else 'K'}[0] is 0")
    distortion = np.zeros(5) if rectified else np.array(info.d, np.float64)
    if distortion.any():
        expected = _COEFFICIENTS.get(info.distortion_model)
        if expected is None:
            models = ", ".join(_COEFFICIENTS)
            raise PositionError(f"distortion model {info.distortion_model}; expected one of {models}")
        if len(distortion) not in expected:
            raise PositionError(
                f"{len(distortion)} distortion coefficients of model {info.distortion_model}; expected"
                f" {' or '.join(map(str, expected))}"
            )
    fisheye = not rectified and info.distortion_model == "equidistant"
    # The matrix is that of the whole sensor.
    binning = max(1, info.binning_x), max(1, info.binning_y)
    width, height = ((info.roi.width or info.width) // binning[0], (info.roi.height or info.height) // binning[1])
    if not width or not height:
        raise PositionError(f"the size of the images is given as {width}x{height}")
    to_image = np.array(
        [
            (1 / binning[0], 0, (0.5 - info.roi.x_offset) / binning[0] - 0.5),
            (0, 1 / binning[1], (0.5 - info.roi.y_offset) / binning[1] - 0.5),
            (0, 0, 1),
        ]
    )
    return Camera(width, height, to_image @ matrix, distortion if distortion.any() else np.zeros(4), fisheye)


def position(camera: Camera, box: Box, *, depth: float | None = None, face_width: float = 0.0) -> np.ndarray:
    """Return where the middle of a face is.

    Args:
      camera: of the image.
      box: the face in the image.
      depth: its distance along z in metres, if that is known; else it follows from the face's width.
      face_width: what the box of a face that looks at the camera spans, in metres; 0 where that is not known.

    Returns:
      `[3] float64`: x, y and z in metres; NaN where neither depth nor width is known, or the camera's model does not
      hold.
    """
    x, y = box.center
    rays = camera.rays(np.array([(box.x, y), (x, y), (box.x + box.w, y)]))
    left, middle, right = np.column_stack([rays, np.ones(3)])
    if depth is not None:
        return middle * depth
    angle = math.atan2(float(np.linalg.norm(np.cross(left, right))), float(left @ right))
    distance = face_width / (2 * math.tan(angle / 2)) if face_width and angle else math.nan
    return middle / np.linalg.norm(middle) * distance


def depth_of_face(depth: np.ndarray, box: Box, size: tuple[int, int]) -> float | None:
    """Return the median distance of what is in the middle of a face's box.

    Args:
      depth: `[h, w]`, distances along z: uint16 in millimetres, 0 in holes, or float32 in metres, not finite in holes.
        Registered to the image, of any resolution.
      box: the face in the image.
      size: width and height of the image, in pixels.

    Returns:
      Metres; None where too few pixels have a depth.
    """
    height, width = depth.shape
    (x, y), half = box.center, CENTRAL / 2
    scale_x, scale_y = width / size[0], height / size[1]
    left, right = _pixels((x - half * box.w) * scale_x, (x + half * box.w) * scale_x, width)
    top, bottom = _pixels((y - half * box.h) * scale_y, (y + half * box.h) * scale_y, height)
    middle = depth[top:bottom, left:right]
    measured = middle[np.isfinite(middle) & (middle > 0)]
    if measured.size < max(1.0, MIN_MEASURED * middle.size):
        return None
    return float(np.median(measured)) * _METRES[depth.dtype.kind]


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The first and the one after the last pixel of an interval, at least one of them in the image."""
    first = min(max(round(low), 0), size - 1)
    return first, min(max(round(high), first + 1), size)
