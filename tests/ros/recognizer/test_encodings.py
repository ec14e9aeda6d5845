"""From image to message: every encoding of `sensor_msgs`, and compressed ones."""

import cv2
import numpy as np
import pytest
from femo_ros.images import ENCODINGS


def planes(bgr):
    """Brightness `[h, w]` and colours U, V `[h / 2, w / 2]`."""
    height, width = bgr.shape[:2]
    values = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    brightness, u, v = np.split(values, [height * width, height * width * 5 // 4])
    return brightness.reshape(height, width), u.reshape(height // 2, -1), v.reshape(height // 2, -1)


def interleaved(bgr, order):
    """Two pixels share their colour: four bytes in the order of y, u, y, v."""
    y, u, v = planes(bgr)
    parts = {"u": u.repeat(2, axis=0), "v": v.repeat(2, axis=0), "y": y[:, 0::2], "Y": y[:, 1::2]}
    return np.stack([parts[letter] for letter in order], axis=-1).reshape(*y.shape, 2)


def colour_below(bgr, first, second):
    """Brightness, then half as many rows of colour."""
    parts = dict(zip("yuv", planes(bgr), strict=True))
    colour = np.stack([parts[first], parts[second]], axis=-1)
    return np.vstack([parts["y"], colour.reshape(len(colour), -1)])


def mosaic(bgr, pattern):
    """One colour a pixel."""
    rows = np.empty(bgr.shape[:2], np.uint8)
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        rows[row::2, column::2] = bgr[row::2, column::2, "bgr".index(colour)]
    return rows


def encode(encoding, bgr):
    """The rows of an image in an encoding."""
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    if encoding.startswith("bayer_"):
        return mosaic(bgr, encoding[6:10])
    return {
        "mono8": lambda: grey,
        "8UC1": lambda: grey,
        "mono16": lambda: grey.astype(np.uint16) * 257,
        "16UC1": lambda: grey.astype(np.uint16) * 257,
        "bgr8": lambda: bgr,
        "8UC3": lambda: bgr,
        "rgb8": lambda: bgr[..., ::-1],
        "bgra8": lambda: cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
        "8UC4": lambda: cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
        "rgba8": lambda: cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA),
        "yuv422": lambda: interleaved(bgr, "uyvY"),
        "uyvy": lambda: interleaved(bgr, "uyvY"),
        "yuv422_yuy2": lambda: interleaved(bgr, "yuYv"),
        "yuyv": lambda: interleaved(bgr, "yuYv"),
        "nv12": lambda: colour_below(bgr, "u", "v"),
        "nv21": lambda: colour_below(bgr, "v", "u"),
    }[encoding]()


def check(answer, scene, what):
    """The image's one face: where it is and what it shows."""
    assert answer.header.frame_id == "camera_optical_frame"
    assert (answer.image_width, answer.image_height) == (640, 480)
    assert len(answer.faces) == 1, what
    (face,) = answer.faces
    roi = (face.roi.x_offset, face.roi.y_offset, face.roi.width, face.roi.height)
    assert roi == pytest.approx(scene.box, abs=20), what
    assert (face.label, face.emotion) == (scene.label, face.HAPPY), what
    assert face.confidence == pytest.approx(face.probabilities[face.emotion])
    assert sum(face.probabilities) == pytest.approx(1, abs=1e-4)
    assert face.confidence > 0.5 and not face.uncertain, what


def test_a_raw_image_in_every_encoding_gives_its_face_and_one_without_an_empty_list(recognizer, camera, scene):
    assert ENCODINGS
    variants = [(encoding, 0, False) for encoding in ENCODINGS]
    variants += [("bgr8", 24, False), ("nv12", 32, False), ("mono16", 0, True), ("16UC1", 6, True)]
    for encoding, padding, is_bigendian in variants:
        rows = encode(encoding, scene.image)
        if is_bigendian:
            rows = rows.byteswap()
        message = camera.image(encoding, rows, padding, is_bigendian, height=480, width=640)
        answer = recognizer.answer(camera.send(message))
        check(answer, scene, f"{encoding}, {padding} bytes of padding, big-endian {is_bigendian}")

    answer = recognizer.answer(camera.show(np.full((120, 160, 3), 90, np.uint8)))
    assert (answer.image_width, answer.image_height, answer.faces) == (160, 120, [])


def test_a_compressed_image_beside_a_remapped_raw_topic_gives_its_face(start_recognizer, quick, new_camera, scene):
    parameters = {**quick, "image_transport": "compressed"}
    recognizer = start_recognizer(parameters, remappings={"image": "/front/image_raw"})
    camera = new_camera("/front/image_raw/compressed", compressed=True)
    for suffix in (".jpg", ".png"):
        check(recognizer.answer(camera.send(camera.compressed(scene.image, suffix))), scene, suffix)
