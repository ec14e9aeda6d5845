from dataclasses import replace

import numpy as np
import pytest

from femo_jax.live.image import Box, CropGeometry, InputImage
from femo_jax.live.recognizer import EmotionRecognizer, recognize_stills


class FirstFaces:
    """A detector that finds as many faces as the first pixel says, side by side."""

    geometry = CropGeometry(scale=1.1, shift=0.05)

    def detect(self, image, *, still=True):
        return [Box(10 + 50 * number, 20, 40, 40) for number in range(image.grey[0, 0])]


@pytest.fixture(scope="module")
def recognizer(random_model):
    # At its own temperature it is always sure; so its answers distinguish the faces.
    return EmotionRecognizer(replace(random_model, temperature=1e5), FirstFaces(), batch_sizes=(1, 4))


@pytest.fixture(scope="module")
def inputs():
    """Noise with 2, 0, 3 and 1 faces."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (100 + 10 * index, 200), np.uint8) for index in range(4)]
    for image, faces in zip(images, (2, 0, 3, 1), strict=True):
        image[0, 0] = faces
    return [InputImage(image) for image in images]


def assert_same(faces, expected):
    assert [face.box for face in faces] == [face.box for face in expected]
    assert [(face.label, face.uncertain, face.track_id) for face in faces] == [
        (face.label, face.uncertain, face.track_id) for face in expected
    ]
    for face, other in zip(faces, expected, strict=True):
        np.testing.assert_allclose(face.probabilities, other.probabilities, atol=1e-6)
        assert face.confidence == pytest.approx(other.confidence, abs=1e-6)


def test_many_images_are_recognised_as_one_by_one(recognizer, inputs):
    results = recognize_stills(recognizer, inputs, time=7.0)
    assert [len(result.faces) for result in results] == [2, 0, 3, 1]
    for image, result in zip(inputs, results, strict=True):
        assert_same(result.faces, recognizer(image))
        assert (result.width, result.height, result.time) == (image.width, image.height, 7.0)
        assert result.detection_ms >= 0
        assert result.inference_ms > 0


def test_whole_images_are_recognised_as_one_by_one(recognizer, inputs):
    results = recognize_stills(recognizer, inputs, cropped=True)
    for image, result in zip(inputs, results, strict=True):
        assert_same(result.faces, [recognizer.cropped(image)])
        assert not result.full_scan


def test_uncertain_faces_are_those_below_the_recognisers_limit(recognizer, inputs, monkeypatch):
    for limit, uncertain in ((0.0, False), (1.0, True)):
        monkeypatch.setattr(recognizer, "uncertain_below", limit)
        (result,) = recognize_stills(recognizer, inputs[:1])
        assert {face.uncertain for face in result.faces} == {uncertain}


def test_all_faces_are_classified_together(recognizer, inputs, monkeypatch):
    calls = []

    def classify(faces):
        calls.append(len(faces))
        return np.full((len(faces), 7), 1 / 7, np.float32)

    monkeypatch.setattr(recognizer, "classify", classify)
    recognize_stills(recognizer, inputs)
    assert calls == [6]


def test_no_face_at_all(recognizer, inputs):
    (result,) = recognize_stills(recognizer, inputs[1:2])
    assert result.faces == []


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(lambda noise: np.full_like(noise, 0), id="black"),
        pytest.param(lambda noise: np.full_like(noise, 14), id="dark grey"),
        pytest.param(lambda noise: noise // 16, id="dark"),
        pytest.param(lambda noise: 255 - noise // 16, id="overexposed"),
    ],
)
def test_faces_without_contrast_are_uncertain_whatever_their_confidence(recognizer, inputs, monkeypatch, image):
    monkeypatch.setattr(recognizer, "uncertain_below", 0.0)
    noise = inputs[0].grey.copy()
    assert not recognizer.cropped(noise).uncertain
    face = recognizer.cropped(image(noise))
    assert face.uncertain and face.contrast < 8
    pixels = image(noise)
    pixels[0, 0] = 1  # one face
    assert [face.uncertain for face in recognizer(pixels)] == [True]
    (result,) = recognize_stills(recognizer, [InputImage(pixels)])
    assert [face.uncertain for face in result.faces] == [True]
    monkeypatch.setattr(recognizer, "min_contrast", 0.0)
    assert not recognizer.cropped(image(noise)).uncertain
