from dataclasses import replace

import numpy as np
import pytest

from femo_jax import EmotionRecognizer
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.explain.faces import Explainer
from femo_jax.model_file import logits_function


@pytest.fixture(scope="module")
def face():
    return np.random.default_rng(0).integers(0, 255, (48, 48), np.uint8)


@pytest.mark.parametrize(("baseline", "value"), [("grey", 0.3), ("white", 1.0)])
def test_logits_are_those_of_the_model_and_of_the_baseline(random_model, face, baseline, value):
    model = replace(random_model, mean=0.3, temperature=50.0)
    explainer = Explainer(model, baseline=baseline, steps=8)
    explanation = explainer(face, "sad")
    images = np.stack([face / np.float32(255), np.full_like(face, value, np.float32)])[..., None]
    expected = np.asarray(logits_function(model)(images))[:, EMOTIONS.index("sad")]
    np.testing.assert_allclose([explanation.logit, explanation.baseline_logit], expected, rtol=1e-4)
    assert explanation.label == "sad"
    assert explanation.pixels.shape == (48, 48)
    assert (explanation.grad_cam.shape, explanation.layer_cam.shape) == ((3, 3), (12, 12))
    assert explanation.gap == pytest.approx(explanation.pixels.sum() - (expected[0] - expected[1]), abs=2e-2)


@pytest.mark.parametrize(("asked", "heights"), [(None, (3, 12)), (6, (6, 6)), (24, (24, 24))])
def test_the_layers_can_be_chosen(random_model, asked, heights):
    explainer = Explainer(random_model, layer=asked, steps=1)
    record = explainer.as_dict()
    assert (record["grad_cam_layer"][0], record["layer_cam_layer"][0]) == heights


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": 5}, "no layer of 5 by 5 cells; there are 48, 24, 12, 6, 3"),
        ({"baseline": "blue"}, "'blue': expected one of grey, black, white"),
        ({"steps": 0}, "0 steps of Integrated Gradients: expected 1 to 4,096"),
    ],
)
def test_what_cannot_be_explained(random_model, options, words):
    with pytest.raises(ConfigError, match=words):
        Explainer(random_model, **options)


def test_an_onnx_model_is_refused_with_what_to_give_instead():
    model = EmotionRecognizer.load("small", batch_sizes=(1,), runtime="opencv").model
    with pytest.raises(ConfigError, match=r"small\.onnx: an ONNX model cannot be explained.*weights\.load_model"):
        Explainer(model)
