import re

import cv2
import numpy as np
import pytest
from PIL import Image

from femo_jax.data.forms import iterate_faces, open_dataset
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
        ("test/angry/face_1.jpg", "this name does not distinguish PublicTest from"),
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
    forms.jpgs["train/fear/Training_4.jpg"] = b"\xff\xd8 no image \xff\xd9"
    with pytest.raises(DataError, match=r"Training_4\.jpg: this image is cut off or damaged"):
        list(iterate_faces(forms.zip()))


def test_an_image_of_another_size_is_named(forms):
    _, encoded = cv2.imencode(".jpg", np.zeros((48, 64), np.uint8))
    forms.jpgs["train/fear/Training_4.jpg"] = encoded.tobytes()
    with pytest.raises(DataError, match=r"Training_4\.jpg: 64 x 48 pixels, expected 48 x 48"):
        list(iterate_faces(forms.zip()))


def renamed(forms, rename):
    """The made-up faces with other paths; of a path that becomes empty, without it."""
    forms.jpgs = {rename(name): content for name, content in forms.jpgs.items() if rename(name)}
    return {(face.image.tobytes(), face.emotion, face.split) for face in iterate_faces(forms.zip())}


def expected(forms):
    return {(face.image.tobytes(), face.emotion, face.split) for face in forms.faces}


SYNONYMS = {"angry": "Anger", "disgust": "disgusted", "fear": "fearful", "happy": "Happiness", "sad": "sadness"}


def test_other_names_of_the_classes(forms):
    assert renamed(forms, lambda name: "/".join(SYNONYMS.get(part, part) for part in name.split("/"))) == expected(
        forms
    )


@pytest.mark.parametrize(
    "folders", [("train", "validation", "test"), ("Training", "PublicTest", "PrivateTest"), ("TRAIN", "val", "Test")]
)
def test_a_folder_for_each_split(forms, folders):
    split_of = {face.name: face.split for face in forms.faces}
    names = dict(zip(("train", "validation", "test"), folders, strict=True))

    def rename(name):
        _, label, file = name.split("/")
        return f"{names[split_of[name]]}/{label}/{file.partition('_')[2]}"

    assert renamed(forms, rename) == expected(forms)


def test_train_and_validation_alone(forms):
    def rename(name):
        return name.replace("test/", "validation/") if "PrivateTest" not in name else ""

    assert renamed(forms, rename) == {face for face in expected(forms) if face[2] != "test"}


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tiff", ".dat", ""])
def test_images_are_known_by_their_content(forms, suffix):
    kind = suffix if suffix not in (".dat", "") else ".png"
    name, content = next(iter(forms.jpgs.items()))
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    _, encoded = cv2.imencode(kind, image, [cv2.IMWRITE_WEBP_QUALITY, 101] if kind == ".webp" else [])
    forms.jpgs = {name.replace(".jpg", suffix): encoded.tobytes()}
    (face,) = iterate_faces(forms.zip())
    np.testing.assert_array_equal(face.image, image)


def test_other_files_are_left_out_and_listed(forms):
    folder = forms.unpacked()
    for name in ("README.txt", "preview.jpg", "train/notes.txt", "train/angry/list.txt", "train/plans/list.txt"):
        forms.write(f"fer2013/{name}", b"text")
    with open_dataset(folder) as dataset:
        assert len(list(dataset.faces())) == len(forms.faces)
        assert sorted(dataset.left_out) == sorted(
            ["README.txt", "preview.jpg", "train/notes.txt", "train/angry/list.txt", "train/plans/list.txt"]
        )


@pytest.mark.parametrize("length", [10, 100, -20])
def test_a_truncated_png_is_named(forms, length):
    _, encoded = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8))
    forms.jpgs = {"train/fear/1.png": encoded.tobytes()[:length]}
    with pytest.raises(DataError, match=r"train/fear/1\.png: this image is cut off or damaged"):
        list(iterate_faces(forms.zip()))


def test_an_animation_is_refused(forms):
    frames = [Image.fromarray(np.full((48, 48), grey, np.uint8)) for grey in (10, 200)]
    frames[0].save(forms.folder / "a.gif", save_all=True, append_images=frames[1:])
    forms.jpgs = {"train/fear/1.gif": (forms.folder / "a.gif").read_bytes()}
    with pytest.raises(DataError, match=r"1\.gif: holds 2 images, expected one"):
        list(iterate_faces(forms.zip()))
