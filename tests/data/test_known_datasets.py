"""Data sets by their documented layouts, each as a generated miniature."""

from collections import Counter
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from femo_jax.cli.data import Form
from femo_jax.cli.main import main
from femo_jax.data.archive import open_archive
from femo_jax.data.known_datasets import FORMS, KNOWN_DATASETS, find_layout
from femo_jax.data.load import class_names, load_split, mapped_classes
from femo_jax.data.reading import Limits
from femo_jax.errors import DataError

SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def write_image(path: Path, shade: int = 128, size: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size, size, 3), shade, np.uint8))


def write_text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))


def rafdb(root: Path) -> set:
    names = [(f"{split}_{number:05d}", number % 7 + 1, split) for split in ("train", "test") for number in range(21)]
    write_text(root / "EmoLabel" / "list_patition_label.txt", *(f"{name}.jpg {code}" for name, code, _ in names))
    for name, _, _ in names:
        write_image(root / "Image" / "aligned" / f"{name}_aligned.jpg")
        write_image(root / "Image" / "original" / f"{name}.jpg")
    classes = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    return {(f"Image/aligned/{name}_aligned.jpg", classes[code - 1], split, None) for name, code, split in names}


def rafdb_numbered(root: Path) -> set:
    expected = set()
    for split in ("train", "test"):
        write_text(root / f"{split}_labels.csv", "image,label")
        for code, label in ((1, "surprise"), (7, "neutral")):
            name = f"{split}/{code}/{split}_{code:05d}_aligned.jpg"
            write_image(root / "DATASET" / name)
            expected.add((f"DATASET/{name}", label, split, None))
    return expected


def affectnet(root: Path) -> set:
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    expected = set()
    for table, split in (("training", "train"), ("validation", "validation")):
        rows = []
        for code, label in enumerate(("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")):
            rows.append(f"{code}/{table}{code}.jpg,2,3,10,12,1.0;2.0,{code},0.5,-0.5")
            expected.add((f"Manually_Annotated_Images/{code}/{table}{code}.jpg", label, split, None))
        rows.append(f"9/{table}9.jpg,NULL,NULL,NULL,NULL,NULL,9,-2,-2")
        expected.add((f"Manually_Annotated_Images/9/{table}9.jpg", "uncertain", split, None))
        write_text(root / "Manually_Annotated_file_lists" / f"{table}.csv", header, *rows)
    for name, *_ in expected:
        write_image(root / name)
    return expected


def affectnet_numbered(root: Path) -> set:
    expected = set()
    for folder, split in (("train_set", "train"), ("val_set", "validation")):
        for number, (code, label) in enumerate((("0", "neutral"), ("7", "contempt"), ("6", "anger"))):
            write_image(root / folder / "images" / f"{number}.jpg")
            (root / folder / "annotations").mkdir(exist_ok=True)
            for kind, value in (("exp", code), ("aro", "0.5"), ("val", "0.1")):
                np.save(root / folder / "annotations" / f"{number}_{kind}.npy", value)
            expected.add((f"{folder}/images/{number}.jpg", label, split, None))
    return expected


def ckplus(root: Path) -> set:
    expected = set()
    for person, code, label in (("S005", 3, "disgust"), ("S010", 1, "anger"), ("S011", 2, "contempt")):
        for frame in range(1, 8):
            write_image(root / "cohn-kanade-images" / person / "001" / f"{person}_001_{frame:08d}.png")
        write_image(root / "cohn-kanade-images" / person / "002" / f"{person}_002_00000001.png")
        write_text(root / "Emotion" / person / "001" / f"{person}_001_00000007_emotion.txt", f"   {code:.7e}")
        (root / "Emotion" / person / "002").mkdir()
        for frame in (1, 5, 6, 7):
            name = f"cohn-kanade-images/{person}/001/{person}_001_{frame:08d}.png"
            expected.add((name, label if frame > 1 else "neutral", None, person))
    return expected


def ckplus_crops(root: Path) -> set:
    expected = set()
    for person in ("S010", "S011"):
        for label in ("anger", "contempt"):
            name = f"CK+48/{label}/{person}_004_00000017.png"
            write_image(root / name, size=48)
            expected.add((name, label, None, person))
    return expected


def jaffe(root: Path) -> set:
    expected = set()
    for person in ("KA", "KL", "NA"):
        for code, label in (("AN", "anger"), ("FE", "fear"), ("NE", "neutral")):
            write_image(root / "jaffe" / f"{person}.{code}1.39.tiff")
            expected.add((f"jaffe/{person}.{code}1.39.tiff", label, None, person))
    write_text(root / "README_FIRST.txt", "The JAFFE database")
    return expected


def kdef(root: Path) -> set:
    expected = set()
    for folder, person in (("AF01", "F01"), ("BF01", "F01"), ("AM02", "M02")):
        for code, label in (("AF", "fear"), ("AN", "anger"), ("SU", "surprise")):
            for angle in ("FL", "HL", "S", "HR", "FR"):
                write_image(root / "KDEF" / folder / f"{folder}{code}{angle}.JPG")
            expected.add((f"KDEF/{folder}/{folder}{code}S.JPG", label, None, person))
    write_image(root / "AKDEF" / "FAFFL.JPG")
    return expected


def expw(root: Path) -> set:
    rows, expected = [], set()
    for code, label in enumerate(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")):
        for number in range(2):
            image = np.full((40, 60, 3), 250, np.uint8)
            image[10:20, 30:40] = 20 * code
            path = root / "image" / "origin" / f"{label}_{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
            rows += [f"{label}_{number}.jpg 0 10 30 40 20 83.9 {code}", f"{label}_{number}.jpg 1 22 2 18 38 50.1 3"]
            expected |= {(f"image/origin/{label}_{number}.jpg", each, None, None) for each in (label, "happy")}
    write_text(root / "label" / "label.lst", *rows)
    return expected


MINIATURES = {
    rafdb: "rafdb",
    rafdb_numbered: "rafdb",
    affectnet: "affectnet",
    affectnet_numbered: "affectnet",
    ckplus: "ckplus",
    ckplus_crops: "ckplus",
    jaffe: "jaffe",
    kdef: "kdef",
    expw: "expw",
}


def prepare(root: Path, data_dir: Path, *options: str) -> int:
    return main(["data", "prepare", str(root), "--data-dir", str(data_dir), *options])


@pytest.mark.parametrize("write", MINIATURES, ids=lambda write: write.__name__)
def test_a_layout_is_recognised_and_read(write, tmp_path):
    expected = write(tmp_path)
    found = find_layout(tmp_path, "auto", Limits())
    assert found is not None and found[0].form == MINIATURES[write]
    with open_archive(tmp_path) as archive:
        files, missing = found[1].read(archive)
    assert {(each.file, each.label, each.split, each.person) for each in files} == expected and not missing
    marked = {each.box is not None for each in files if each.label != "uncertain"}
    assert marked == {found[1].shows == "marked faces"}


def test_every_layout_has_a_miniature_and_every_data_set_is_a_form():
    assert Counter(MINIATURES.values()) == {each.form: len(each.layouts) for each in KNOWN_DATASETS}
    assert get_args(Form) == ("auto", "fer2013", "labelled", *FORMS)


def test_forms_are_listed_with_layouts_and_examples(capsys):
    assert main(["data", "forms"]) == 0
    out = capsys.readouterr().out
    for dataset in KNOWN_DATASETS:
        assert f"{dataset.title}\n" in out and f"femo data prepare {dataset.example}\n" in out
        assert all(f"  {path}\n" in out for layout in dataset.layouts for path in layout.paths)


def test_splits_of_a_data_set_are_kept_and_a_part_of_training_becomes_validation(tmp_path, capsys):
    rafdb(tmp_path / "basic")
    assert prepare(tmp_path / "basic", tmp_path / "data", "--class-map", "neutral=") == 0
    assert "RAF-DB, basic emotions" in capsys.readouterr().err
    splits = {name: load_split(tmp_path / "data", name) for name in ("train", "validation", "test")}
    assert {name: len(split.labels) for name, split in splits.items()} == {"train": 12, "validation": 6, "test": 18}
    assert class_names(tmp_path / "data") == tuple(name for name in SEVEN if name != "neutral")
    assert all(name.startswith("Image/aligned/test_") for name in splits["test"].names)


def test_marked_faces_are_cut_out_and_several_of_an_image_stay_together(tmp_path):
    expw(tmp_path / "expw")
    assert prepare(tmp_path / "expw", tmp_path / "data", "--val-fraction", "0.3") == 0
    train, validation = (load_split(tmp_path / "data", name) for name in ("train", "validation"))
    assert len(train.labels) + len(validation.labels) == 28
    for image, name in zip(train.images, train.names, strict=True):
        file, face = name.split("#")
        label = file.split("/")[-1].split("_")[0]
        shade = 20 * ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral").index(label)
        assert abs(int(image[8:40, 8:40].mean()) - (shade if face == "0" else 250)) < 8, name
    files = [{name.split("#")[0] for name in split.names} for split in (train, validation)]
    assert files[1] and not files[0] & files[1]


def test_faces_of_whole_images_are_detected_and_persons_kept_together(tmp_path, capsys):
    photograph = cv2.cvtColor(astronaut()[:220, 120:340], cv2.COLOR_RGB2BGR)
    for person in ("KA", "KL", "NA"):
        for code in ("HA", "SA"):
            (tmp_path / "jaffe").mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / "jaffe" / f"{person}.{code}1.39.tiff"), photograph)
    write_image(tmp_path / "jaffe" / "NA.SA2.40.tiff")
    assert prepare(tmp_path / "jaffe", tmp_path / "data", "--val-fraction", "0.3") == 0
    said = capsys.readouterr()
    assert "the largest face of each image is taken" in said.err and "NA.SA2.40.tiff: no face was found" in said.err
    train, validation = (load_split(tmp_path / "data", name) for name in ("train", "validation"))
    persons = [{name[:2] for name in split.names} for split in (train, validation)]
    assert len(persons[0]) == 2 and len(persons[1]) == 1 and not persons[0] & persons[1]
    assert train.images.std() > 20


def test_what_is_no_class_is_dropped_and_stored(tmp_path):
    affectnet(tmp_path / "affectnet")
    assert prepare(tmp_path / "affectnet", tmp_path / "data") == 0
    assert class_names(tmp_path / "data") == tuple(sorted((*SEVEN, "contempt")))
    assert ("uncertain", "", 2) in mapped_classes(tmp_path / "data")


def test_images_that_a_label_file_misses_are_reported(tmp_path, capsys):
    rafdb(tmp_path / "basic")
    (tmp_path / "basic" / "Image" / "aligned" / "train_00001_aligned.jpg").unlink()
    assert prepare(tmp_path / "basic", tmp_path / "data") == 0
    said = capsys.readouterr()
    assert "28,709" not in said.out, "the official numbers are those of FER-2013"
    assert "line 2: no image train_00001_aligned.jpg" in said.err and "1 file left out" in said.out


@pytest.mark.parametrize(
    ("write", "file", "content", "message"),
    [
        (rafdb, "EmoLabel/list_patition_label.txt", "train_00000.jpg 8", "line 1: class '8', expected 1 to 7"),
        (rafdb, "EmoLabel/list_patition_label.txt", "train_00000.jpg", "line 1: 1 words, expected 2"),
        (rafdb, "EmoLabel/list_patition_label.txt", "valid_0.jpg 1", r"expected train_... or test_..."),
        (rafdb, "EmoLabel/list_patition_label.txt", "train_9.jpg 1", "no images Image/aligned/.* Unpack"),
        (rafdb, "compound/EmoLabel/list_patition_label.txt", "", "Give the folder of one of them"),
        (expw, "label/label.lst", "angry_0.jpg 0 10 30 20 20 83.9 0", "line 1: the face box is -10 x 10 pixels"),
        (expw, "label/label.lst", "angry_0.jpg 0 10 30 x 20 83.9 0", "line 1: face box '10 30 x 20'"),
        (ckplus, "Emotion/S005/001/S005_001_00000007_emotion.txt", "", "class '', expected 0 to 7"),
        (affectnet_numbered, "train_set/annotations/0_exp.npy", "1", "is no NumPy array"),
    ],
)
def test_damaged_labels_are_refused(write, file, content, message, tmp_path):
    write(tmp_path)
    write_text(tmp_path / file, content)
    found = find_layout(tmp_path, "auto", Limits())
    assert found is not None
    with open_archive(tmp_path) as archive, pytest.raises(DataError, match=message):
        found[1].read(archive)


def test_a_form_that_does_not_fit_is_refused(tmp_path, capsys):
    kdef(tmp_path / "kdef")
    expw(tmp_path / "expw")
    for source, options, message in (
        ("kdef", ("--form", "jaffe"), "is not JAFFE as it is published. Expected jaffe/KA.AN1.39.tiff"),
        ("kdef", ("--columns.label", "emotion"), "--columns is for a csv of paths, and this is KDEF"),
        ("kdef", ("--labels", "ferplus"), "--labels ferplus is for FER-2013, and this is KDEF"),
        ("expw", ("--crop",), "--crop detects faces, and ExpW marks them"),
    ):
        assert prepare(tmp_path / source, tmp_path / "data", *options) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_one_person_alone_cannot_be_divided(tmp_path, capsys):
    for code in ("AN", "HA"):
        for number in range(2):
            write_image(tmp_path / f"KA.{code}{number}.1.tiff")
    assert prepare(tmp_path, tmp_path.parent / "one") == 2
    assert "all training images show one person (KA)" in capsys.readouterr().err


def test_class_folders_of_other_images_are_no_known_data_set(tmp_path):
    for label in ("anger", "joy"):
        for number in range(3):
            write_image(tmp_path / label / f"{number}.png")
    assert find_layout(tmp_path, "auto", Limits()) is None
