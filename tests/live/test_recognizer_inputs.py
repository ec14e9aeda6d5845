import multiprocessing
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

import femo_jax
from femo_jax.errors import ConfigError, FemoError, SourceError
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.recognizer import EmotionRecognizer


class OneBox:
    """Finds one face in every image, which it keeps."""

    geometry = CropGeometry(scale=1.0, shift=0.0)

    def detect(self, image, *, still=True):
        self.seen = image.bgr
        return [Box(2, 2, 20, 20)]


@pytest.fixture(scope="module")
def recognizer(random_model):
    return EmotionRecognizer(random_model, OneBox(), batch_sizes=(1,))


@pytest.fixture(scope="module")
def bgr():
    return np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)


def test_paths_and_images_of_pillow_are_taken_as_arrays_are(recognizer, bgr, tmp_path):
    path = tmp_path / "people.png"
    cv2.imwrite(str(path), bgr)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    for image in (bgr, path, str(path), Image.fromarray(rgb), Image.fromarray(rgb).convert("RGBA")):
        (face,) = recognizer(image)
        np.testing.assert_array_equal(recognizer.detector.seen, bgr)
        assert face.box == Box(2, 2, 20, 20)
        assert recognizer.cropped(image).box == Box(0, 0, 40, 30)


def test_an_image_of_pillow_is_turned_as_its_exif_orientation_says(recognizer, bgr, tmp_path):
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        recognizer(image)
    np.testing.assert_array_equal(recognizer.detector.seen, cv2.rotate(bgr, cv2.ROTATE_90_CLOCKWISE))


def test_a_path_without_an_image_and_none_are_named(recognizer, tmp_path):
    with pytest.raises(SourceError, match=r"missing\.png"):
        recognizer(tmp_path / "missing.png")
    with pytest.raises(ValueError, match=r"None, as cv2\.imread returns"):
        recognizer(None)


def test_a_detector_by_its_name_is_refused():
    with pytest.raises(ConfigError, match=r"DetectorConfig\(kind='yunet'"):
        EmotionRecognizer.load("small", detector="yunet")


def test_its_text_names_model_and_detector(recognizer):
    assert repr(recognizer) == f"EmotionRecognizer(simple_cnn, 48x48, 7 classes, {recognizer.runtime}, OneBox)"


def test_pickling_is_refused_with_what_to_do_instead(recognizer):
    with pytest.raises(TypeError, match=r"load\(\) in each process"):
        pickle.dumps(recognizer)


def _recognize_in_child(recognizer, connection):
    for use in (lambda: recognizer.classify(np.zeros((1, 48, 48), np.uint8)), lambda: EmotionRecognizer.load()):
        try:
            use()
            connection.send("recognised")
        except FemoError as error:
            connection.send(str(error))


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_told_to_load_or_spawn(recognizer):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_recognize_in_child, args=(recognizer, theirs))
    child.start()
    try:
        for _ in range(2):
            assert ours.poll(60), "the child waits without end"
            assert "get_context('spawn')" in ours.recv()
    finally:
        child.kill()
        child.join()


def test_public_names_are_listed():
    assert set(femo_jax.__all__) <= set(dir(femo_jax))


def test_the_old_name_of_cropped_still_works(recognizer):
    image = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    with pytest.warns(DeprecationWarning, match="use cropped"):
        face = recognizer.whole(image)
    assert (face.label, face.confidence) == (recognizer.cropped(image).label, recognizer.cropped(image).confidence)
