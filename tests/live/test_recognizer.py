import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest
from scipy.special import softmax
from skimage import data

import femo_jax
from femo_jax import EMOTIONS
from femo_jax.errors import ConfigError, ModelFileError
from femo_jax.live import recognizer as recognizer_module
from femo_jax.live.config import DetectorConfig, StreamConfig, TrackConfig
from femo_jax.live.image import Box, CropGeometry, InputImage, crop_faces, overlaps
from femo_jax.live.jax_network import _batches
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.stream import EmotionStream
from femo_jax.model_file import load_model_file, logits_function
from femo_jax.prior import EVERYDAY_NEUTRAL
from femo_jax.weights import model_path


class GivenBoxes:
    """A detector that finds what it is given."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def __init__(self):
        self.boxes = []

    def detect(self, image, *, still=True):
        return self.boxes

    def detect_near(self, image, boxes, window, scales):
        return list(boxes)


@pytest.fixture(scope="module")
def loaded(load_on_runtime):
    return load_on_runtime(detector=GivenBoxes())


@pytest.fixture
def recognizer(loaded):
    """The shipped model, without faces until a test gives it some."""
    loaded.detector = GivenBoxes()
    loaded.uncertain_below = TrackConfig().uncertain_below
    return loaded


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Blurred noise, which the network takes for several emotions."""
    noise = np.random.default_rng(0).uniform(0, 255, (200, 12, 12)).astype(np.float32)
    return noise.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def expected(faces) -> np.ndarray:
    """What the network itself says of the faces."""
    logits = jax.jit(logits_function(load_model_file(model_path())))(faces[..., None])
    return softmax(np.asarray(logits, np.float64), axis=1)


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (120, 160, 3), np.uint8)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 16, 37, 200])
def test_probabilities_are_the_networks(recognizer, faces, expected, count, runtime):
    probabilities = recognizer.classify(faces[:count])
    tolerance = 5e-5 if runtime == "opencv" else 1e-5  # OpenCV convolves by Winograd's filtering
    np.testing.assert_allclose(probabilities, expected[:count], atol=tolerance)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities.shape == (count, 7)
    assert probabilities.dtype == np.float32


def test_the_faces_of_these_tests_differ(expected):
    assert len(set(expected.argmax(axis=1))) > 1
    assert expected.max(axis=1).std() > 0.05


def test_temperature_of_the_model_file_is_applied(random_model, faces):
    # Weights near zero, so that no probability is 0 or 1.
    model = dataclasses.replace(random_model, variables=jax.tree.map(lambda leaf: leaf * 0.02, random_model.variables))
    cold, hot = (
        EmotionRecognizer(dataclasses.replace(model, temperature=t), GivenBoxes(), batch_sizes=[2]) for t in (1.0, 3.0)
    )
    cold, hot = (np.log(recognizer.classify(faces[:2])) for recognizer in (cold, hot))
    spread = (row.max(axis=1) - row.min(axis=1) for row in (cold, hot))
    np.testing.assert_allclose(np.divide(*spread), 3.0, rtol=1e-3)


def test_the_prior_of_the_place_of_use(random_model, faces):
    model = dataclasses.replace(random_model, variables=jax.tree.map(lambda leaf: leaf * 0.02, random_model.variables))
    recognizer = EmotionRecognizer(model, GivenBoxes(), batch_sizes=[2])
    plain = recognizer.classify(faces[:2])
    neutral = recognizer.class_names.index("neutral")
    recognizer.prior = "everyday"
    odds = [each[:, neutral] / (1 - each[:, neutral]) for each in (recognizer.classify(faces[:2]), plain)]
    np.testing.assert_allclose(np.divide(*odds), EVERYDAY_NEUTRAL, rtol=1e-4)
    other = recognizer.with_detector(GivenBoxes())
    assert other.prior == "everyday"
    with pytest.raises(ConfigError, match="class 'calm'"):
        recognizer.prior = {"calm": 0.5}
    assert recognizer.prior == "everyday"
    recognizer.prior = None
    np.testing.assert_array_equal(recognizer.classify(faces[:2]), plain)


def test_faces_need_not_be_contiguous(recognizer, faces, expected):
    np.testing.assert_allclose(recognizer.classify(faces[:20][::-2]), expected[:20][::-2], atol=1e-5)
    mirrored_twice = np.ascontiguousarray(faces[:3, :, ::-1])[:, :, ::-1]
    np.testing.assert_allclose(recognizer.classify(mirrored_twice), expected[:3], atol=1e-5)


def test_nothing_is_compiled_after_compile(recognizer, faces, frame, caplog):
    recognizer.compile()
    recognizer.detector.boxes = [Box(10, 10, 30, 30)] * 7
    with jax.log_compiles(), caplog.at_level(logging.DEBUG, "jax"):
        for count in (0, 1, 2, 3, 5, 18, 40):
            recognizer.classify(faces[:count])
        recognizer(frame)
        recognizer.cropped(frame)
        assert "ompil" not in caplog.text
        jax.jit(lambda x: x + 12345)(1)
        assert "Compiling" in caplog.text  # the test sees what is compiled


@pytest.mark.usefixtures("compiled_by_jax")
def test_a_batch_size_is_compiled_when_it_is_first_needed(random_model, faces, caplog):
    recognizer = EmotionRecognizer(random_model, GivenBoxes(), batch_sizes=(1, 4, 16))
    compiled = []
    with jax.log_compiles(), caplog.at_level(logging.DEBUG, "jax"):
        for count in (1, 4, 2, 16, 5, 1):
            recognizer.classify(faces[:count])
            compiled.append("ompil" in caplog.text)
            caplog.clear()
    assert compiled == [False, True, False, True, False, False]


@pytest.mark.usefixtures("compiled_by_jax")
def test_the_first_frame_of_a_stream_compiles_what_it_needs_and_the_second_the_rest(random_model, frame, caplog):
    recognizer = EmotionRecognizer(random_model, GivenBoxes(), batch_sizes=(1, 2, 4))
    stream, compiled = recognizer.stream(), []
    with jax.log_compiles(), caplog.at_level(logging.DEBUG, "jax"):
        for count in (1, 1, 2, 4):
            recognizer.detector.boxes = [Box(40 * index, 10, 30, 30) for index in range(count)]
            stream(frame, time=len(compiled) / 30)
            compiled.append("ompil" in caplog.text)
            caplog.clear()
    assert compiled == [False, True, False, False]


@pytest.mark.usefixtures("compiled_by_jax")
def test_threads_that_need_a_batch_size_at_the_same_time_compile_it_once(random_model, faces, caplog):
    recognizer = EmotionRecognizer(random_model, GivenBoxes(), batch_sizes=(1, 8))
    expected = np.concatenate([recognizer.classify(faces[index : index + 1]) for index in range(8)])
    with jax.log_compiles(), caplog.at_level(logging.DEBUG, "jax"), ThreadPoolExecutor(6) as threads:
        for probabilities in threads.map(recognizer.classify, [faces[:8]] * 6):
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)
        assert caplog.text.count("Finished XLA compilation") == 1


@pytest.mark.parametrize(
    ("count", "batches"),
    [
        (0, []),
        (1, [1]),
        (3, [2, 1]),
        (4, [4]),
        (5, [4, 1]),
        (7, [8]),
        (13, [8, 4, 1]),
        (14, [16]),
        (17, [16, 1]),
        (37, [16, 16, 4, 1]),
    ],
)
def test_faces_are_divided_among_the_batch_sizes(count, batches):
    assert _batches(count, (1, 2, 4, 8, 16)) == batches


def test_without_a_batch_size_of_one_the_smallest_is_filled_up(recognizer, faces, expected):
    assert _batches(1, (4, 16)) == [4]
    few = EmotionRecognizer(recognizer.model, GivenBoxes(), batch_sizes=(4,))
    np.testing.assert_allclose(few.classify(faces[:6]), expected[:6], atol=1e-5)


def test_several_threads_at_once(recognizer, faces, expected):
    starts = [3 * start for start in range(60)]

    def classify(start):
        return recognizer.classify(faces[start : start + 1 + start % 7])

    with ThreadPoolExecutor(8) as threads:
        for start, probabilities in zip(starts, threads.map(classify, starts), strict=True):
            np.testing.assert_allclose(probabilities, expected[start : start + 1 + start % 7], atol=1e-5)


@pytest.mark.parametrize(
    ("faces", "got"),
    [
        (np.zeros((48, 48), np.uint8), r"\[48, 48\] uint8"),
        (np.zeros((2, 48, 48, 1), np.uint8), r"\[2, 48, 48, 1\] uint8"),
        (np.zeros((2, 47, 48), np.uint8), r"\[2, 47, 48\] uint8"),
        (np.zeros((2, 48, 48), np.float32), r"\[2, 48, 48\] float32"),
        ([], "list"),
    ],
)
def test_what_are_no_faces(recognizer, faces, got):
    with pytest.raises(ValueError, match=rf"expected faces \[n, 48, 48\] uint8, got {got}"):
        recognizer.classify(faces)


def test_faces_of_an_image(recognizer, frame):
    boxes = [Box(5, 8, 60, 60), Box(90, 40, 50, 50)]
    recognizer.detector.boxes = boxes
    probabilities = recognizer.classify(crop_faces(InputImage(frame).grey, boxes, recognizer.detector.geometry))
    found = recognizer(frame)
    assert [face.box for face in found] == boxes
    for face, row in zip(found, probabilities, strict=True):
        np.testing.assert_array_equal(face.probabilities, row)
        assert face.label == EMOTIONS[row.argmax()]
        assert face.confidence == row.max()
        assert (face.track_id, face.age) == (None, 0.0)


def test_faces_of_little_confidence_are_uncertain(recognizer, frame):
    recognizer.detector.boxes = [Box(5, 8, 60, 60)]
    (face,) = recognizer(frame)
    for threshold, uncertain in ((face.confidence - 0.01, False), (face.confidence + 0.01, True)):
        recognizer.uncertain_below = threshold
        assert recognizer(frame)[0].uncertain is uncertain


def test_no_face(recognizer, frame):
    assert recognizer(frame) == []


def test_two_hundred_faces(recognizer, frame):
    recognizer.detector.boxes = [Box(x, y, 12, 12) for x in range(0, 140, 7) for y in range(0, 100, 10)]
    found = recognizer(frame)
    assert [face.box for face in found] == recognizer.detector.boxes
    last = crop_faces(InputImage(frame).grey, recognizer.detector.boxes[-1:], recognizer.detector.geometry)
    np.testing.assert_allclose(found[-1].probabilities, recognizer.classify(last)[0], atol=1e-5)


@pytest.mark.parametrize("shape", [(120, 160), (1, 160), (120, 1), (1, 1)])
def test_a_face_that_fills_the_frame(recognizer, shape):
    recognizer.detector.boxes = [Box(0, 0, shape[1], shape[0])]
    (face,) = recognizer(np.full((*shape, 3), 128, np.uint8))
    assert face.probabilities.sum() == pytest.approx(1)


def test_every_form_of_an_image_gives_the_same(recognizer, frame):
    recognizer.detector.boxes = [Box(5, 8, 60, 60)]
    grey = np.ascontiguousarray(frame[..., 0])
    forms = [
        grey,
        grey[..., None],
        np.stack([grey] * 3, axis=-1),
        np.stack([grey] * 4, axis=-1),
        grey.astype(np.uint16) * 257,
        grey / 255,
        (grey / 255).astype(np.float32),
        np.asfortranarray(grey),
        InputImage(grey),
    ]
    expected = recognizer(grey)[0].probabilities
    for form in forms:
        np.testing.assert_array_equal(recognizer(form)[0].probabilities, expected)


@pytest.mark.parametrize(
    "image", [np.zeros((0, 0, 3), np.uint8), np.full((8, 8), np.nan), np.zeros((8, 8, 2), np.uint8), 7]
)
def test_what_is_no_image(recognizer, image):
    for recognize in (recognizer, recognizer.cropped):
        with pytest.raises(ValueError, match=r"image|numpy"):
            recognize(image)


def test_an_image_that_is_a_face(recognizer, faces, expected):
    face = recognizer.cropped(faces[3])
    np.testing.assert_allclose(face.probabilities, expected[3], atol=1e-5)
    assert face.box == (0, 0, 48, 48)
    assert face.label == EMOTIONS[expected[3].argmax()]


def test_a_large_image_that_is_a_face(recognizer, faces, expected):
    large = faces[3].repeat(5, axis=0).repeat(5, axis=1)
    face = recognizer.cropped(np.stack([large] * 3, axis=-1))
    np.testing.assert_allclose(face.probabilities, expected[3], atol=1e-5)
    assert face.box == (0, 0, 240, 240)


def test_a_real_face():
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    (face,) = EmotionRecognizer.load()(image)
    assert overlaps([face.box], [Box(175, 65, 95, 100)])[0, 0] > 0.5
    assert face.label == "happy"
    assert not face.uncertain


def test_the_detector_may_be_given_by_its_settings(loaded, tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.xml"):
        EmotionRecognizer.load(detector=DetectorConfig(model=tmp_path / "nowhere.xml"))


def test_a_model_may_be_given_by_name_file_or_run_folder(random_model, monkeypatch):
    asked = []
    monkeypatch.setattr(
        recognizer_module, "load_for_recognition", lambda model, runtime: asked.append(model) or random_model
    )
    for name in (None, "small", "runs/mine"):
        loaded = EmotionRecognizer.load(name, GivenBoxes(), batch_sizes=(1,))
        assert (loaded.model.architecture, loaded.model.options) == (random_model.architecture, random_model.options)
    assert asked == [None, "small", "runs/mine"]
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"no model 'vgg' ships with femo; choose one of default, .*femonet-base"):
        EmotionRecognizer.load("vgg", GivenBoxes())


def test_a_model_file_that_is_missing(tmp_path):
    with pytest.raises(ModelFileError, match=r"mine\.safetensors: no such model file"):
        EmotionRecognizer.load(tmp_path / "mine.safetensors", GivenBoxes())


@pytest.mark.parametrize("sizes", [(), (0, 4), (-1,), (1.5,)])
def test_batch_sizes_that_are_none(recognizer, sizes):
    with pytest.raises(ValueError, match="expected integers above 0"):
        EmotionRecognizer(recognizer.model, GivenBoxes(), batch_sizes=sizes)


def test_a_network_that_gives_nan_is_refused(random_model):
    variables = jax.tree.map(np.copy, random_model.variables)
    variables["params"]["head"]["kernel"][:] = 3e38
    with pytest.raises(ModelFileError, match="gives NaN or infinity"):
        EmotionRecognizer(dataclasses.replace(random_model, variables=variables), GivenBoxes(), batch_sizes=(1,))


def test_nan_for_some_faces_is_an_error_and_no_emotion(random_model):
    """Blank faces, with which the network is warmed up, pass: the others overflow."""
    model = dataclasses.replace(random_model, mean=0.0, std=1e-36)
    recognizer = EmotionRecognizer(model, GivenBoxes(), batch_sizes=(1,))
    recognizer.detector.boxes = [Box(0, 0, 48, 48)]
    assert np.isfinite(recognizer.classify(np.zeros((1, 48, 48), np.uint8))).all()
    with pytest.raises(ModelFileError, match="gives NaN or infinity"):
        recognizer(np.full((48, 48), 255, np.uint8))


def test_stream_has_the_recognizer_and_the_settings(recognizer):
    config = StreamConfig(track=TrackConfig(min_hits=1))
    recognizer.detector.boxes = [Box(5, 8, 60, 60)]
    stream = recognizer.stream(config)
    assert isinstance(stream, EmotionStream)
    assert stream.config is config
    assert recognizer.stream().config == StreamConfig()


def test_the_package_gives_it_by_name():
    assert femo_jax.EmotionRecognizer is EmotionRecognizer
    with pytest.raises(AttributeError, match="'femo_jax' has no attribute 'EmotionDetector'"):
        femo_jax.EmotionDetector  # noqa: B018
