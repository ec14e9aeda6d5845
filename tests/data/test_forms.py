import numpy as np
import pytest

from femo_jax.data.forms import Form, iterate_faces, open_dataset
from femo_jax.errors import DataError


def form_of(path):
    with open_dataset(path) as dataset:
        return dataset.form


def count_of(path):
    with open_dataset(path) as dataset:
        return len(dataset)


def _content(faces):
    return sorted((face.image.tobytes(), face.emotion.label, face.split) for face in faces)


@pytest.mark.parametrize("form", ["csv", "icml", "tar", "zip", "unpacked"])
def test_every_form_gives_the_same_images_with_the_same_emotions(forms, form):
    path = getattr(forms, form)()
    faces = list(iterate_faces(path))
    assert _content(faces) == _content(forms.faces)
    assert count_of(path) == len(faces)
    assert all(face.image.shape == (48, 48) and face.image.dtype == np.uint8 for face in faces)
    assert len({face.name for face in faces}) == len(faces)


def test_order_is_the_same_every_time(forms):
    for path in (forms.zip(), forms.unpacked(), forms.csv()):
        assert [face.name for face in iterate_faces(path)] == [face.name for face in iterate_faces(path)]


def test_zip_and_folder_have_one_order(forms):
    assert [face.name for face in iterate_faces(forms.zip())] == [face.name for face in iterate_faces(forms.unpacked())]


def test_names_and_rows(forms):
    by_row = list(iterate_faces(forms.csv()))
    assert [face.row for face in by_row] == list(range(len(forms.faces)))
    assert by_row[7].name == "row_00000007"
    by_name = next(iter(iterate_faces(forms.zip())))
    assert by_name.row is None
    assert by_name.name in forms.jpgs


def test_content_decides_and_not_the_name(forms):
    assert form_of(forms.zip("fer.bin")) is Form.CLASS_FOLDERS
    assert form_of(forms.csv("fer.txt")) is Form.CSV
    assert form_of(forms.tar("fer.zip")) is Form.CSV


def test_folders_may_lie_deeper(forms):
    path = forms.zip("deep.zip", inside="archive/fer2013/")
    assert {face.name for face in iterate_faces(path)} == set(forms.jpgs)


def test_a_folder_with_one_archive_stands_for_it(forms):
    forms.zip()
    assert _content(iterate_faces(forms.folder)) == _content(forms.faces)


def test_a_table_of_something_else_does_not_disturb(forms):
    folder = forms.unpacked()
    forms.write("fer2013/ferplus.csv", b"name,usage,neutral\n")
    forms.write("fer2013/.DS_Store", b"\0")
    forms.write("fer2013/__MACOSX/train/angry/._Training_1.jpg", b"\0")
    assert form_of(folder) is Form.CLASS_FOLDERS
    assert count_of(folder) == len(forms.faces)


def test_the_table_with_usage_is_taken_of_the_challenge_s_archive(forms):
    forms.csv("challenge/icml_face_data.csv")
    forms.write("challenge/train.csv", b"emotion,pixels\n0,1 2 3\n")
    assert count_of(forms.folder / "challenge") == len(forms.faces)


def test_missing_path():
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        form_of("nowhere.csv")


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        form_of(tmp_path)


def test_two_forms_at_once_are_not_guessed_between(forms):
    folder = forms.unpacked()
    forms.csv("fer2013/fer2013.csv")
    with pytest.raises(DataError, match=r"more than once: fer2013\.csv, class folders"):
        form_of(folder)


@pytest.mark.parametrize("content", [b"", b"a,b,c\n1,2,3\n", b"\x00\xff" * 5000])
def test_something_else(forms, content):
    with pytest.raises(DataError, match="not FER-2013 in a form that femo knows"):
        form_of(forms.write("other", content))


def test_a_csv_beside_an_unrelated_zip(forms):
    forms.csv("data/fer2013.csv")
    forms.jpgs = {"readme.txt": b"text"}
    forms.zip("data/other.zip")
    assert _content(iterate_faces(forms.folder / "data")) == _content(forms.faces)


def test_several_archives_are_not_guessed_between(forms):
    forms.zip("a.zip")
    forms.tar("b.tar.gz")
    with pytest.raises(DataError, match=r"holds several archives: a\.zip, b\.tar\.gz"):
        form_of(forms.folder)


def test_an_archive_among_other_files_is_taken(forms):
    forms.zip()
    forms.write("notes/todo.txt", b"text")
    assert _content(iterate_faces(forms.folder)) == _content(forms.faces)
