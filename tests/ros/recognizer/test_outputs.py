"""What is published besides the faces: drawn images for those who look, the model for those who come late."""

import cv2
import jax
import numpy as np
import pytest

from femo_jax.model_file import LoadedModel, save_model_file
from femo_jax.models import create_model


def test_images_are_drawn_for_those_who_look_under_the_header_of_their_image(recognizer, camera, scene):
    from sensor_msgs.msg import CompressedImage, Image

    recognizer.process.wait_for_log("Listening")
    images = recognizer.client.collect(Image, f"{recognizer.node}/image_annotated")
    jpegs = recognizer.client.collect(CompressedImage, f"{recognizer.node}/image_annotated/compressed")
    recognizer.client.spin_until(
        lambda: (images and jpegs) or not recognizer.answer(camera.show(scene.image)), "annotated images"
    )
    stamps = [each.header.stamp for each in recognizer.answers]
    for message in (recognizer.answers[-1], images[-1], jpegs[-1]):
        assert message.header.frame_id == "camera_optical_frame"
        assert message.header.stamp in stamps

    image = images[-1]
    assert (image.encoding, image.width, image.height, image.step) == ("bgr8", 640, 480, 1920)
    drawn = np.frombuffer(image.data, np.uint8).reshape(480, 640, 3)
    changed = np.abs(drawn.astype(int) - scene.image).max(axis=-1) > 30
    x, y, w, h = scene.box
    assert changed[y - 60 : y + h + 60, x - 60 : x + w + 60].sum() > 300  # a box and a label round the face
    assert changed[400:].sum() == 0

    assert jpegs[-1].format == "bgr8; jpeg compressed bgr8"
    decoded = cv2.imdecode(np.frombuffer(jpegs[-1].data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (480, 640, 3)
    assert np.abs(decoded.astype(int) - scene.image).mean() < 10


SHOW_MODE = """
import os
import rclpy

init = rclpy.init

def shown(**options):
    print("mode", os.environ.get("RMW_FASTRTPS_PUBLICATION_MODE"), flush=True)
    init(**options)

rclpy.init = shown
"""


@pytest.mark.parametrize(("given", "expected"), [(None, "ASYNCHRONOUS"), ("SYNCHRONOUS", "SYNCHRONOUS")])
def test_images_are_sent_by_a_thread_of_the_middleware(start_recognizer, monkeypatch, given, expected):
    """Else `publish` holds Python's lock while it sends, and recognition waits; the user's choice counts."""
    if given:
        monkeypatch.setenv("RMW_FASTRTPS_PUBLICATION_MODE", given)
    recognizer = start_recognizer({"autostart": False}, setup=SHOW_MODE)
    recognizer.process.wait_for_log(f"mode {expected}")


def test_who_comes_late_is_told_the_model(recognizer, scene):
    from femo_msgs.msg import ModelInfo
    from rclpy.qos import DurabilityPolicy, QoSProfile

    recognizer.process.wait_for_log("Configured")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    reported = recognizer.client.collect(ModelInfo, f"{recognizer.node}/model_info", latched)
    recognizer.client.spin_until(lambda: reported, "the model")
    (model,) = reported
    assert model.name == "femonet-base"
    assert list(model.class_names) == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert model.input_size == 48
    assert 0.5 < model.accuracy < 1
    assert model.header.stamp.sec > 0


@pytest.fixture
def three_class_model(tmp_path):
    """A model file with random weights and three classes of its own."""
    options = {"widths": [4, 4, 4, 4], "dense": 8, "num_classes": 3}
    network = create_model("simple_cnn", **options)
    variables = network.init(jax.random.key(0), np.zeros((1, 48, 48, 1), np.float32), train=False)
    path = tmp_path / "three.safetensors"
    save_model_file(path, LoadedModel("simple_cnn", options, variables, classes=("frown", "gasp", "smile")))
    return path


def test_a_model_has_classes_of_its_own(start_recognizer, quick, camera, scene, three_class_model):
    from femo_msgs.msg import ModelInfo
    from rclpy.qos import DurabilityPolicy, QoSProfile

    recognizer = start_recognizer({**quick, "model": three_class_model})
    (face,) = recognizer.faces_of(camera, scene.image)
    assert face.label == ("frown", "gasp", "smile")[face.emotion]
    assert len(face.probabilities) == 3 and sum(face.probabilities) == pytest.approx(1.0, abs=1e-5)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    reported = recognizer.client.collect(ModelInfo, f"{recognizer.node}/model_info", latched)
    recognizer.client.spin_until(lambda: reported, "the model")
    assert list(reported[0].class_names) == ["frown", "gasp", "smile"]


def test_faces_keep_their_numbers(recognizer, camera, scene):
    twice = np.hstack([scene.image[:, 100:420]] * 2)
    numbers = [sorted(face.track_id for face in recognizer.faces_of(camera, twice)) for _ in range(3)]
    assert numbers == [[1, 2]] * 3
