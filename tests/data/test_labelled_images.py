"""Labelled images of one's own, from class folders or a csv to a prepared data set."""

import csv
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from femo_jax.cli.main import main
from femo_jax.data.archive import open_archive
from femo_jax.data.labelled_images import (
    LabelledFile,
    Splitting,
    assign_splits,
    list_class_folders,
    map_classes,
    parse_class_map,
)
from femo_jax.data.load import available_splits, class_names, load_split, mapped_classes
from femo_jax.data.prepare import prepare_labelled
from femo_jax.errors import ConfigError, DataError
from femo_jax.live.face_crops import face_reader

LABELS = ("frown", "Happiness", "smirk")


def image_of(label, number, size=(60, 60)):
    """An image whose shade tells label and number."""
    return np.full((*size, 3), 40 + 60 * LABELS.index(label) + number, np.uint8)


def write_folder(root: Path, per_class=10, prefix="") -> Path:
    """Class folders with images of 60x60 pixels in four formats."""
    for label in LABELS:
        for number in range(per_class):
            suffix = (".png", ".jpg", ".bmp", ".webp")[number % 4]
            path = root / prefix / label / f"p{number // 2}_{number}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image_of(label, number))
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thirty images of three classes, of five persons."""
    return write_folder(tmp_path_factory.mktemp("photos"))


def files_of(*labels):
    return [LabelledFile(f"{label}/{number}.png", label, None) for number, label in enumerate(labels)]


def listed(root):
    with open_archive(root) as archive:
        return list_class_folders(archive)


@pytest.mark.parametrize("prefix", ["", "a/b"])
def test_class_folders_are_found_at_any_depth(tmp_path, prefix):
    files, others = listed(write_folder(tmp_path, 2, prefix))
    assert Counter(each.label for each in files) == dict.fromkeys(LABELS, 2)
    assert {each.split for each in files} == {None} and not others


def test_folders_of_splits_are_splits(tmp_path):
    for prefix in ("data/Train", "data/val", "data/test"):
        write_folder(tmp_path, 2, prefix)
    files, _ = listed(tmp_path)
    assert Counter(each.split for each in files) == dict.fromkeys(("train", "validation", "test"), 6)
    assert {each.label for each in files} == set(LABELS)


def test_one_split_alone_is_no_class(tmp_path):
    files, _ = listed(write_folder(tmp_path, 2, "train"))
    assert {(each.split, each.label) for each in files} == {("train", label) for label in LABELS}


def test_other_files_are_counted_and_loose_images_too(tmp_path):
    write_folder(tmp_path, 2)
    (tmp_path / "frown" / "notes.txt").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    cv2.imwrite(str(tmp_path / "cover.png"), image_of("frown", 0))
    files, others = listed(tmp_path)
    assert len(files) == 6 and sorted(others) == ["cover.png", "frown/notes.txt"]


def test_images_without_classes_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), image_of("frown", 0))
    with pytest.raises(DataError, match=r"no images in class folders. Expected <class>/<image>"):
        listed(tmp_path)


def test_synonyms_have_one_name_and_the_map_wins():
    files, mapped, names = map_classes(files_of("Anger", "joy", "smile"), {"smile": "happy", "joy": "happy"})
    assert names == ("angry", "happy")
    assert [each.label for each in files] == ["angry", "happy", "happy"]
    assert mapped == [("Anger", "angry", 1), ("joy", "happy", 1), ("smile", "happy", 1)]


def test_a_class_can_be_dropped():
    files, mapped, names = map_classes(files_of("a", "b", "c"), parse_class_map(["c="]))
    assert names == ("a", "b") and [each.label for each in files] == ["a", "b"]
    assert mapped[-1] == ("c", "", 1)


@pytest.mark.parametrize(
    ("labels", "words", "message"),
    [
        (("happy", "joy", "sad"), [], "classes 'happy' and 'joy' are both 'happy'. Merge them with --class-map happy="),
        (("a", "b"), ["b="], "only one class: a. Expected at least two"),
        (("a", "b"), ["c=d"], "the data have no class 'c'; they have a, b"),
        (("a", "b"), ["a"], "class map 'a': expected CLASS=NAME"),
        (("a", "b"), ["a=b", "a=c"], "a is mapped twice"),
    ],
)
def test_maps_that_cannot_be_are_refused(labels, words, message):
    with pytest.raises((ConfigError, DataError), match=message):
        map_classes(files_of(*labels), parse_class_map(words))


def test_the_validation_split_is_stratified_and_the_same_everywhere():
    files = [LabelledFile(f"{label}/{number}.png", label, None) for label in "ab" for number in range(50)]
    files += [LabelledFile(f"c/{number}.png", "c", None) for number in range(10)]
    split = assign_splits(files, Splitting(0.2))
    held = Counter(each.label for each in split if each.split == "validation")
    assert held == {"a": 10, "b": 10, "c": 2}
    assert assign_splits(files[::-1], Splitting(0.2))[::-1] == split
    assert assign_splits(files, Splitting(0.2, seed=1)) != split


def test_groups_stay_together():
    files = [LabelledFile(f"{label}/p{person}_{label}.png", label, None) for label in "ab" for person in range(20)]
    split = assign_splits(files, Splitting(0.25, group=r"p(\d+)_"))
    persons = {each.file.split("/")[1].split("_")[0]: each.split for each in split}
    assert all(persons[each.file.split("/")[1].split("_")[0]] == each.split for each in split)
    assert Counter(each.label for each in split if each.split == "validation") == {"a": 5, "b": 5}


def test_a_validation_split_of_the_data_is_kept():
    files = [LabelledFile("a", "a", "train"), LabelledFile("b", "b", "validation")]
    assert assign_splits(files, Splitting()) == files


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (Splitting(group="x"), "group 'x' finds nothing in 'a/0.png'"),
        (Splitting(group="png"), "puts all images into one group"),
        (Splitting(), "class 'b' has one image to train on"),
    ],
)
def test_splits_that_cannot_be_are_refused(how, message):
    with pytest.raises(DataError, match=message):
        assign_splits(files_of("a", "a", "b"), how)


@pytest.mark.parametrize(("changes", "message"), [({"val_fraction": 1.0}, "val_fraction"), ({"group": "("}, "regular")])
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Splitting(**changes)


def test_prepared_images_come_back(folder, tmp_path):
    root, left_out = prepare_labelled(folder, face_reader(), tmp_path / "data")
    assert root == tmp_path / "data" and not left_out
    assert class_names(root) == ("frown", "happy", "smirk")
    assert mapped_classes(root)[0] == ("Happiness", "happy", 10)
    splits = {name: load_split(root, name) for name in ("train", "validation")}
    assert {name: len(split.labels) for name, split in splits.items()} == {"train": 27, "validation": 3}
    for split in splits.values():
        assert split.images.shape[1:] == (48, 48, 1) and split.class_names == ("frown", "happy", "smirk")
        for image, label, name in zip(split.images, split.labels, split.names, strict=True):
            source = name.split("/")[0]
            number = int(name.rsplit("_", 1)[1].split(".")[0])
            assert split.class_names[label] == {"Happiness": "happy"}.get(source, source)
            assert abs(int(image.mean()) - image_of(source, number)[0, 0, 0]) <= 2  # JPEG and WebP round
    again, _ = prepare_labelled(folder, face_reader(), tmp_path / "data")
    assert again == root
    with pytest.raises(DataError, match="with other options and not from"):
        prepare_labelled(folder, face_reader(), tmp_path / "data", class_map={"smirk": ""})
    prepare_labelled(folder, face_reader(), tmp_path / "data", class_map={"smirk": ""}, overwrite=True)
    assert class_names(root) == ("frown", "happy")


def test_data_to_evaluate_on_are_one_test_split(folder, tmp_path, capsys):
    data = tmp_path / "data"
    assert main(["data", "prepare", str(folder), "--data-dir", str(data), "--test-only"]) == 0
    assert available_splits(data) == ("test",) and len(load_split(data, "test").labels) == 30
    assert main(["data", "prepare", str(folder), "--data-dir", str(data)]) == 2
    assert "with other options" in capsys.readouterr().err


def test_a_zip_gives_the_same(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, f"photos/{path.relative_to(folder)}")
    prepare_labelled(tmp_path / "photos.zip", face_reader(), tmp_path / "data")
    prepare_labelled(folder, face_reader(), tmp_path / "other")
    of_zip, of_folder = (load_split(tmp_path / name, "train") for name in ("data", "other"))
    assert Counter(of_zip.labels.tolist()) == Counter(of_folder.labels.tolist())


def test_a_csv_of_paths(folder, tmp_path, capsys):
    rows = [(str(path.relative_to(folder.parent)), path.parent.name) for path in sorted(folder.rglob("*.*"))]
    table = folder.parent / "faces.csv"
    with table.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([("Image", "Emotion"), *rows])
    arguments = ["data", "prepare", str(table), "--data-dir", str(tmp_path / "data")]
    assert main(arguments) == 2
    assert "column path, label is missing; found 'Image, emotion'" in capsys.readouterr().err
    assert main([*arguments, "--columns.path", "image", "--columns.label", "emotion"]) == 0
    assert "30 images" in capsys.readouterr().out
    assert class_names(tmp_path / "data") == ("frown", "happy", "smirk")
    names = [f"{folder.name}/missing{number}.png,{label}" for number in range(4) for label in "ab"]
    table.write_text("\n".join(["path,label", *names]))
    assert main([*arguments, "--overwrite"]) == 2
    assert "missing0.png" in capsys.readouterr().err


def test_unreadable_images_are_counted_or_refused(folder, tmp_path, capsys):
    source = write_folder(tmp_path / "photos")
    (source / "frown" / "broken.png").write_bytes(b"\x89PNG\r\nnothing")
    arguments = ["data", "prepare", str(source), "--data-dir", str(tmp_path / "data")]
    assert main([*arguments, "--strict"]) == 2
    assert "broken.png" in capsys.readouterr().err and not (tmp_path / "data").exists()
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "30 images; 1 file left out" in said.out and "broken.png" in said.err
    assert "Happiness" in said.out and "happy" in said.out


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        ({"smile": 4}, (), "only one class: smile"),
        ({"smile": 4, "frown": 1}, (), "class 'frown' has one image to train on"),
        ({"happy": 4, "Joy": 4}, (), "are both 'happy'"),
        ({"smile": 4, "frown": 4}, ("--group", "person"), "group 'person' finds nothing"),
        ({"smile": 4, "frown": 4}, ("--class-map", "grin=smile"), "the data have no class 'grin'"),
    ],
)
def test_data_that_cannot_be_learned_leave_nothing_behind(classes, options, message, tmp_path, capsys):
    for label, count in classes.items():
        for number in range(count):
            (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "photos" / label / f"{number}.png"), image_of("frown", number))
    assert main(["data", "prepare", str(tmp_path / "photos"), "--data-dir", str(tmp_path / "data"), *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_images_without_a_face_are_counted(folder, tmp_path, capsys):
    assert main(["data", "prepare", str(folder), "--data-dir", str(tmp_path / "data"), "--crop"]) == 2
    assert "no usable image in split train. First of 30 files left out" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_options_of_one_form_are_refused_for_the_other(folder, forms, capsys):
    assert main(["data", "prepare", str(forms.zip()), "--form", "fer2013", "--crop"]) == 2
    assert "are for images of your own" in capsys.readouterr().err
    assert main(["data", "prepare", str(folder), "--ferplus", str(folder)]) == 2
    assert "--ferplus is for FER-2013" in capsys.readouterr().err


def test_a_folder_that_was_prepared_in_the_cache_is_data(folder, capsys):
    with pytest.raises(DataError, match="femo data prepare FOLDER"):
        load_split(folder, "train")
    assert main(["data", "prepare", str(folder)]) == 0
    assert load_split(folder, "train").class_names == ("frown", "happy", "smirk")


def test_colour_alpha_and_rectangles_become_grey_squares():
    alpha = np.dstack([np.full((80, 40, 3), 10, np.uint8), np.zeros((80, 40), np.uint8)])
    content = cv2.imencode(".png", alpha)[1].tobytes()
    crop = face_reader()(content, "a.png")
    assert crop is not None and crop.shape == (48, 48) and (crop == 255).all(), "transparent parts are white"
