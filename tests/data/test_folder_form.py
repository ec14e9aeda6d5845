import re

import cv2
import numpy as np
import pytest

from femo_jax.data.forms import iterate_faces
from femo_jax.errors import DataError


def test_split_and_class_come_from_the_path(forms):
    faces = {face.name: face for face in iterate_faces(forms.zip())}
    for expected in forms.faces:
        face = faces[expected.name]
        assert (face.split, face.emotion) == (expected.split, expected.emotion)
        np.testing.assert_array_equal(face.image, expected.image)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train/angy/Training_1.jpg", "folder 'angy': unknown emotion 'angy'; expected one of angry, disgust"),
        ("train/0/Training_1.jpg", "folder '0': numbers of classes are ambiguous (4 is sad"),
        ("faces/angry/PublicTest_1.jpg", "expected train/<class>/<image>"),
        ("test/angry/face_1.jpg", "cannot tell PublicTest from PrivateTest"),
    ],
)
def test_a_folder_or_name_of_its_own_is_named(forms, name, message):
    forms.jpgs[name] = next(iter(forms.jpgs.values()))
    for path in (forms.zip(), forms.unpacked()):
        with pytest.raises(DataError, match=re.escape(f"{name}: {message}")):
            list(iterate_faces(path))


def test_two_folders_of_one_class_are_refused(forms):
    forms.jpgs["train/anger/Training_1.jpg"] = next(iter(forms.jpgs.values()))
    with pytest.raises(DataError, match="folders 'anger' and 'angry' of train are both class angry"):
        list(iterate_faces(forms.zip()))


def test_the_data_set_twice_in_one_archive(forms):
    forms.jpgs |= {f"copy/{name}": content for name, content in forms.jpgs.items()}
    with pytest.raises(DataError, match="in there twice"):
        list(iterate_faces(forms.zip()))


@pytest.mark.parametrize("length", [0, 1, 100, 400, -1])
def test_a_truncated_jpg_is_named(forms, length):
    name = "train/fear/Training_4.jpg"
    assert len(forms.jpgs[name]) > 400
    forms.jpgs[name] = forms.jpgs[name][:length]
    for path in (forms.zip(), forms.unpacked()):
        with pytest.raises(DataError, match=rf"{name}: this image is cut off or damaged"):
            list(iterate_faces(path))


def test_a_damaged_jpg_is_named(forms):
    forms.jpgs["train/fear/Training_4.jpg"] = b"\xff\xd8 no picture \xff\xd9"
    with pytest.raises(DataError, match=r"Training_4\.jpg: this image is cut off or damaged"):
        list(iterate_faces(forms.zip()))


def test_a_picture_of_another_size_is_named(forms):
    _, encoded = cv2.imencode(".jpg", np.zeros((48, 64), np.uint8))
    forms.jpgs["train/fear/Training_4.jpg"] = encoded.tobytes()
    with pytest.raises(DataError, match=r"Training_4\.jpg: 64 x 48 pixels, expected 48 x 48"):
        list(iterate_faces(forms.zip()))
