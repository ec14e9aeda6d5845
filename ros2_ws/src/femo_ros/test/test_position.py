"""Faces of known pose are projected into a camera's image, and found again."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("femo_jax", reason="needs femo-jax")

from femo_ros.position import Camera, PositionError, camera_of, depth_of_face, position

from femo_jax.live.image import Box

WIDTH = 0.15
PINHOLE = (600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0)
NEVER_RECTIFIED = (0.0,) * 12


def info(k=PINHOLE, d=(), model="plumb_bob", p=NEVER_RECTIFIED, size=(640, 480), binning=(0, 0), roi=(0, 0, 0, 0)):
    """Fields of a `sensor_msgs/CameraInfo`."""
    x, y, width, height = roi
    return SimpleNamespace(
        width=size[0],
        height=size[1],
        k=k,
        d=d,
        p=p,
        distortion_model=model,
        binning_x=binning[0],
        binning_y=binning[1],
        roi=SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height),
    )


BARREL = info(d=(-0.35, 0.15, 0.001, -0.001, -0.03))
RATIONAL = info(d=(0.5, -2.0, 0.001, -0.0005, 1.6, 0.4, -1.9, 1.5), model="rational_polynomial")
FISHEYE = info(
    k=(290.0, 0.0, 320.0, 0.0, 290.0, 240.0, 0.0, 0.0, 1.0), d=(-0.01, 0.04, -0.04, 0.01), model="equidistant"
)
CAMERAS = {"pinhole": info(), "barrel": BARREL, "rational": RATIONAL, "fisheye": FISHEYE}
PLACES = [(0.0, 0.0, 0.5), (0.2, -0.1, 1.0), (-0.9, 0.5, 2.0), (1.0, 0.4, 4.0)]


def outline(place, yaw=0.0):
    """The outline of a face that looks at the camera, or past it by `yaw` degrees: a circle, `[n, 3]` in metres."""
    around = np.linspace(0, 2 * np.pi, 60)
    plane = np.column_stack([np.cos(around), np.sin(around), 0 * around]) * WIDTH / 2
    x, y, z = place
    pitch, heading = np.arctan2(-y, np.hypot(x, z)), np.arctan2(x, z) + np.radians(yaw)
    turn = cv2.Rodrigues(np.array([0.0, heading, 0.0]))[0] @ cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0]
    return plane @ turn.T + place


def projected(message, points):
    """Points `[n, 3]` in metres as OpenCV's models of a camera project them, `[n, 2]` in pixels of edges."""
    project = cv2.fisheye.projectPoints if message.distortion_model == "equidistant" else cv2.projectPoints
    distortion = np.array(message.d or (0.0, 0.0, 0.0, 0.0))
    shape = (-1, 1, 3)
    pixels, _ = project(points.reshape(shape), np.zeros(3), np.zeros(3), np.reshape(message.k, (3, 3)), distortion)
    return pixels.reshape(-1, 2) + 0.5


def box_of(message, points):
    left, top = projected(message, points).min(axis=0)
    right, bottom = projected(message, points).max(axis=0)
    return Box(left, top, right - left, bottom - top)


def error(found, place):
    """Distance from the true place, as a fraction of the distance from the camera."""
    return np.linalg.norm(found - np.array(place)) / np.linalg.norm(place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("camera", CAMERAS)
def test_the_width_of_a_face_gives_its_place(camera, place):
    message = CAMERAS[camera]
    box = box_of(message, outline(place))
    assert 0 <= box.x < box.x + box.w <= 640, "the face is in the image"
    assert error(position(camera_of(message), box, face_width=WIDTH), place) < 0.05


@pytest.mark.parametrize("yaw", [-15, 15])
@pytest.mark.parametrize("place", PLACES)
def test_a_head_that_is_turned_a_little_is_found_as_well(place, yaw):
    found = position(camera_of(BARREL), box_of(BARREL, outline(place, yaw)), face_width=WIDTH)
    assert error(found, place) < 0.05


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_depth_image_gives_its_place_whatever_the_width(kind, place):
    """Also of another resolution, among background, with holes and with what cameras write into them."""
    random = np.random.default_rng(0)
    box = box_of(BARREL, (outline(place) - place) * 1.3 + place)
    depth = np.full((240, 320), 6.0)
    left, top, right, bottom = (np.array([box.x, box.y, box.x + box.w, box.y + box.h]) / 2).astype(int)
    depth[top : bottom + 1, left : right + 1] = place[2] + random.normal(0, 0.005, (bottom - top + 1, right - left + 1))
    depth[random.random(depth.shape) < 0.5] = 0 if kind is np.uint16 else np.nan
    if kind is np.float32:
        depth[::7, ::7] = np.inf
        depth[3::7, ::7] = -np.inf
    image = (depth * 1000).astype(kind) if kind is np.uint16 else depth.astype(kind)
    found = depth_of_face(image, box, (640, 480))
    assert error(position(camera_of(BARREL), box, depth=found), place) < 0.05


def test_the_central_part_counts():
    """What is beside the face, as the corners of its box hold it, does not."""
    depth = np.full((100, 100), 5000, np.uint16)
    depth[30:70, 30:70] = 1000
    assert depth_of_face(depth, Box(20, 20, 60, 60), (100, 100)) == 1.0


def test_too_many_holes_are_no_depth():
    depth = np.zeros((100, 100), np.uint16)
    assert depth_of_face(depth, Box(20, 20, 60, 60), (100, 100)) is None
    depth[49:51, 49:51] = 1000
    assert depth_of_face(depth, Box(20, 20, 60, 60), (100, 100)) is None
    depth[40:60, 40:60] = 1000
    assert depth_of_face(depth, Box(20, 20, 60, 60), (100, 100)) == 1.0


@pytest.mark.parametrize("box", [Box(50.4, 50.4, 0.2, 0.2), Box(0, 0, 1, 1), Box(99, 99, 1, 1)])
def test_the_smallest_face_has_a_pixel(box):
    assert depth_of_face(np.full((10, 10), 2.5, np.float32), box, (100, 100)) == 2.5


def test_binning_and_a_region_of_interest_are_those_of_the_image():
    """K is of the whole sensor; the image has half its resolution, and a part of it."""
    message = info(binning=(2, 2), roi=(200, 100, 400, 300))
    camera = camera_of(message)
    assert (camera.width, camera.height) == (200, 150)
    place = (0.05, 0.02, 1.2)
    whole = box_of(info(), outline(place))
    part = Box((whole.x - 200) / 2, (whole.y - 100) / 2, whole.w / 2, whole.h / 2)
    assert error(position(camera, part, face_width=WIDTH), place) < 0.001


def test_rectified_images_have_the_projection_and_no_distortion():
    p = (500.0, 0.0, 300.0, 0.0, 0.0, 500.0, 200.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    camera = camera_of(info(d=BARREL.d, p=p), rectified=True)
    place = (0.3, 0.1, 1.5)
    box = box_of(info(k=(500.0, 0.0, 300.0, 0.0, 500.0, 200.0, 0.0, 0.0, 1.0)), outline(place))
    assert error(position(camera, box, face_width=WIDTH), place) < 0.001


@pytest.mark.parametrize(
    ("message", "rectified", "words"),
    [
        (info(k=(0.0,) * 9), False, "not calibrated"),
        (info(), True, "not calibrated"),
        (info(d=(0.1,) * 5, model="omni"), False, "distortion model omni; expected one of plumb_bob"),
        (info(d=(0.1, 0.1)), False, "2 distortion coefficients"),
        (info(size=(0, 0)), False, "0x0"),
    ],
)
def test_a_camera_that_is_not_known_is_refused(message, rectified, words):
    with pytest.raises(PositionError, match=words):
        camera_of(message, rectified)


def test_a_face_beyond_the_view_of_the_model_has_no_place():
    """An equidistant model ends at a right angle to the view."""
    wide = Camera(2000, 2000, np.array([(300.0, 0, 1000), (0, 300.0, 1000), (0, 0, 1)]), np.zeros(4), fisheye=True)
    assert np.isnan(position(wide, Box(1900, 950, 100, 100), face_width=WIDTH)).all()
    assert np.isnan(position(wide, Box(950, 950, 100, 100))).all(), "neither width nor distance"
