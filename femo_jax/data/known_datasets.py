"""Data sets that are published for research, recognised by their documented layouts.

Each layout is a list of labelled images like those of one's own (`femo_jax.data.labelled_images`): classes are mapped,
splits and persons kept in the same way. Label files and codes are those of the data sets' own documentation, which
`docs/datasets.md` cites. Nothing but label files is read here.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from femo_jax.data.archive import DatasetArchive, archive_kind, member_path, open_archive, open_member, read_image_file
from femo_jax.data.csv_form import bounded_lines, open_text, read_header
from femo_jax.data.folder_form import SPLIT_FOLDERS, has_image_suffix
from femo_jax.data.labelled_images import LabelledFile, list_class_folders
from femo_jax.data.reading import Limits, data_error
from femo_jax.errors import DataError

Shows = Literal["face crops", "marked faces", "whole images"]
"""What the images show: a face alone; faces whose boxes the label file states; more than a face, which is detected."""


class Listing(NamedTuple):
    """The labelled images of a data set, and a line about each one that is missing or listed again."""

    files: list[LabelledFile]
    missing: list[str]


@dataclass(frozen=True)
class Layout:
    """One way in which a data set is laid out.

    Attributes:
      paths: examples of its files, for people.
      shows: what the images show.
      recognise: whether a folder or archive has this layout, by the names of its files.
      read: lists the images. It raises DataError for a damaged label file, or where it lists no image.
      remark: which images are taken, where it is not all.
    """

    paths: tuple[str, ...]
    shows: Shows
    recognise: Callable[[DatasetArchive], bool]
    read: Callable[[DatasetArchive], Listing]
    remark: str = ""


@dataclass(frozen=True)
class KnownDataset:
    """A published data set.

    Attributes:
      form: its name as a value of `--form`.
      title: its name, classes and splits.
      example: what to give `femo data prepare`.
      layouts: in which it is found.
      dropped: classes that are none, and are left out unless a class map names them.
    """

    form: str
    title: str
    example: str
    layouts: tuple[Layout, ...]
    dropped: tuple[str, ...] = ()


def find_layout(path: Path, form: str, limits: Limits) -> tuple[KnownDataset, Layout] | None:
    """The data set in a folder or archive, and its layout.

    Args:
      path: of the folder or archive.
      form: of the data set; `auto` for any.
      limits: on what is read.

    Returns:
      None where `form` is `auto` and the files are those of no data set.

    Raises:
      DataError: the files are not those of the data set; or as `open_archive`.
    """
    known = [each for each in KNOWN_DATASETS if form in ("auto", each.form)]
    if path.is_dir() or archive_kind(path, limits):
        with open_archive(path, limits) as archive:
            for dataset in known:
                for layout in dataset.layouts:
                    if layout.recognise(archive):
                        return dataset, layout
    if form == "auto":
        return None
    (dataset,) = known
    expected = ", or ".join(" and ".join(layout.paths) for layout in dataset.layouts)
    raise data_error(path, f"is not {dataset.title.partition(':')[0]} as it is published. Expected {expected}.")


def _has_file(pattern: str) -> Callable[[DatasetArchive], bool]:
    """Recognises a layout by a file whose path ends as the expression says."""
    return lambda archive: any(re.search(rf"(?:^|/){pattern}$", name) for name in archive.names)


def _most_images(pattern: str) -> Callable[[DatasetArchive], bool]:
    """Recognises a layout by the paths of its images, of which a few may be others."""

    def recognise(archive: DatasetArchive) -> bool:
        images = [name for name in archive.names if has_image_suffix(name)]
        matching = sum(re.search(rf"(?:^|/){pattern}$", name) is not None for name in images)
        return 0 < len(images) < 2 * matching

    return recognise


def _only(archive: DatasetArchive, pattern: str) -> str:
    """The one file whose path ends as the expression says."""
    names = [name for name in archive.names if re.search(rf"(?:^|/){pattern}$", name)]
    if len(names) > 1:
        raise data_error(archive.path, f"holds {' and '.join(names[:2])}. Give the folder of one of them.")
    return names[0]


def _rows(archive: DatasetArchive, name: str, cells: int) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table whose cells are separated by blanks, with their numbers."""
    where = member_path(archive, name)
    with open_member(archive, name) as file:
        for number, line in enumerate(bounded_lines(open_text(file, "utf-8-sig")), start=1):
            found = line.split()
            if found and len(found) != cells:
                raise DataError(f"{where}, line {number}: {len(found)} words, expected {cells}")
            if found:
                yield number, found


def _decode(where: str, code: str, names: Sequence[str], first: int = 0) -> str:
    """The class of a code, which counts from `first`; codes are also written `3.0000000e+00`."""
    try:
        number = float(code)
    except ValueError:
        number = -1.0
    if not number.is_integer() or not first <= number < first + len(names):
        raise DataError(f"{where}: class {code[:40]!r}, expected {first} to {first + len(names) - 1}")
    return names[int(number) - first]


def _by_end(archive: DatasetArchive, parts: int = 1) -> dict[str, str]:
    """The images by the last parts of their paths."""
    return {"/".join(name.split("/")[-parts:]): name for name in archive.names if has_image_suffix(name)}


def _checked(archive: DatasetArchive, listing: Listing, images: str) -> Listing:
    """Refuses a listing without an image, as where an archive inside was not unpacked."""
    if not listing.files:
        raise data_error(archive.path, f"has labels, but no images {images}. Unpack the archive of images beside them.")
    return listing


# RAF-DB: Li, Deng, Du 2017 (CVPR), "Reliable Crowdsourcing and Deep Locality-Preserving Learning".
_RAFDB_CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # from 1
_RAFDB_LIST = r"list_patition_label\.txt"
_RAFDB_NUMBERED = r"(train|test)/([1-7])/\1_\d+_aligned\.jpg"


def _rafdb(archive: DatasetArchive) -> Listing:
    images, listing = _by_end(archive), Listing([], [])
    table = _only(archive, _RAFDB_LIST)
    where = member_path(archive, table)
    for number, (name, code) in _rows(archive, table, 2):
        split = name.partition("_")[0]
        if split not in ("train", "test"):
            raise DataError(f"{where}, line {number}: {name[:40]!r}, expected train_... or test_...")
        label = _decode(f"{where}, line {number}", code, _RAFDB_CLASSES, first=1)
        stem, _, suffix = name.rpartition(".")
        file = images.get(f"{stem}_aligned.{suffix}")
        if file:
            listing.files.append(LabelledFile(file, label, split))
        else:
            listing.missing.append(f"{where}, line {number}: no image {stem}_aligned.{suffix}")
    return _checked(archive, listing, "Image/aligned/train_00001_aligned.jpg")


def _rafdb_numbered(archive: DatasetArchive) -> Listing:
    found = [(name, re.search(rf"(?:^|/){_RAFDB_NUMBERED}$", name)) for name in archive.names]
    return Listing(
        [LabelledFile(name, _RAFDB_CLASSES[int(match[2]) - 1], match[1]) for name, match in found if match], []
    )


# AffectNet: Mollahosseini, Hasani, Mahoor 2017 (arXiv:1708.03985).
_AFFECTNET_NO_CLASSES = ("none", "uncertain", "no face")
_AFFECTNET_CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
_AFFECTNET_TABLES = {"training.csv": "train", "validation.csv": "validation"}
_AFFECTNET_COLUMNS = ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression")
_AFFECTNET_NUMBERED = r"(train|val|test)_set/annotations/(\d+)_exp\.npy"


def _affectnet_tables(archive: DatasetArchive) -> dict[str, str]:
    """The splits of the tables with AffectNet's columns, by their names."""
    tables = {name: _AFFECTNET_TABLES.get(name.split("/")[-1].lower()) for name in archive.names}
    return {
        name: split
        for name, split in tables.items()
        if split and set(_AFFECTNET_COLUMNS) <= set(read_header(archive, name).header)
    }


def _affectnet(archive: DatasetArchive) -> Listing:
    images, listing = _by_end(archive, parts=2), Listing([], [])
    for table, split in _affectnet_tables(archive).items():
        where = member_path(archive, table)
        with open_member(archive, table) as file:
            rows = csv.DictReader(bounded_lines(open_text(file, "utf-8-sig")))
            for row in rows:
                line = f"{where}, line {rows.line_num}"
                cells = {column: (row[column] or "").strip() for column in _AFFECTNET_COLUMNS}
                label = _decode(line, cells["expression"], (*_AFFECTNET_CLASSES, *_AFFECTNET_NO_CLASSES))
                found = images.get("/".join(cells["subDirectory_filePath"].split("/")[-2:]))
                if not found:
                    listing.missing.append(f"{line}: no image {cells['subDirectory_filePath'][:100]}")
                elif label in _AFFECTNET_NO_CLASSES:
                    listing.files.append(LabelledFile(found, label, split))
                else:
                    box = _box(line, *_numbers(line, [cells[column] for column in _AFFECTNET_COLUMNS[1:5]]))
                    listing.files.append(LabelledFile(found, label, split, box=box))
    return _checked(archive, listing, "Manually_Annotated_Images/1/....jpg")


def _affectnet_numbered(archive: DatasetArchive) -> Listing:
    listing = Listing([], [])
    images = {name.rpartition(".")[0]: name for name in archive.names if has_image_suffix(name)}
    for name in archive.names:
        match = re.search(rf"(?:^|/){_AFFECTNET_NUMBERED}$", name)
        if not match:
            continue
        where = member_path(archive, name)
        try:
            code = np.load(io.BytesIO(read_image_file(archive, name)), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DataError(f"{where}: is no NumPy array ({error}). Unpack it again.") from error
        label = _decode(where, str(code.item()) if code.size == 1 else str(code), (*_AFFECTNET_CLASSES,))
        stem = f"{name.rpartition('/annotations/')[0]}/images/{match[2]}"
        if stem in images:
            listing.files.append(LabelledFile(images[stem], label, SPLIT_FOLDERS[match[1]]))
        else:
            listing.missing.append(f"{where}: no image images/{match[2]}.jpg")
    return _checked(archive, listing, "train_set/images/0.jpg")


def _numbers(where: str, cells: Sequence[str]) -> list[float]:
    """The numbers of a face box."""
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise DataError(f"{where}: face box {' '.join(cells)[:100]!r}, expected four numbers") from error


def _box(where: str, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """A face box in pixels, with area."""
    if not (width > 0 and height > 0):
        raise DataError(f"{where}: the face box is {width:g} x {height:g} pixels, expected more than 0")
    return x, y, width, height


# CK+: Lucey et al. 2010 (CVPR Workshops), and the ReadMe of its distribution.
_CKPLUS_CLASSES = ("neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
_CKPLUS_FRAME = r"(S\d{3})_(\d{3})_(\d{8})"
_CKPLUS_PEAK_FRAMES = 3


def _ckplus(archive: DatasetArchive) -> Listing:
    frames: dict[tuple[str, str], list[str]] = {}
    labels: dict[tuple[str, str], str] = {}
    for name in archive.names:
        match = re.search(rf"(?:^|/){_CKPLUS_FRAME}(_emotion\.txt|\.png)$", name)
        if match and match[4] == ".png":
            frames.setdefault((match[1], match[2]), []).append(name)
        elif match:
            codes = [code for _, (code,) in _rows(archive, name, 1)]
            labels[match[1], match[2]] = _decode(member_path(archive, name), " ".join(codes), _CKPLUS_CLASSES)
    listing = Listing([], [])
    for (person, number), label in sorted(labels.items()):
        # By their own names: archives may list them in any order, and folders may lie in several places.
        sequence = sorted(frames.get((person, number), []), key=lambda name: name.split("/")[-1])
        if not sequence:
            listing.missing.append(f"{member_path(archive, f'{person}/{number}')}: has a label, but no frames")
            continue
        peak = sequence[1:][-_CKPLUS_PEAK_FRAMES:]
        listing.files.append(LabelledFile(sequence[0], "neutral", None, person))
        listing.files.extend(LabelledFile(name, label, None, person) for name in peak)
    return _checked(archive, listing, "cohn-kanade-images/S005/001/S005_001_00000001.png")


def _ckplus_crops(archive: DatasetArchive) -> Listing:
    files, _ = list_class_folders(archive)
    persons = [re.match(_CKPLUS_FRAME, each.file.split("/")[-1]) for each in files]
    shown = zip(files, persons, strict=True)
    return Listing([each._replace(person=found[1] if found else None) for each, found in shown], [])


# JAFFE: Lyons, Kamachi, Gyoba 1998. KDEF: Lundqvist, Flykt, Öhman 1998.
_EXPRESSIONS = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
_JAFFE_IMAGE = r"(?P<person>[A-Z]{2})\.(?P<expression>AN|DI|FE|HA|NE|SA|SU)\d\.\d+\.tiff?"
_KDEF_IMAGE = r"(?i:[AB](?P<person>[FM]\d\d)(?P<expression>AF|AN|DI|HA|NE|SA|SU)(?:FL|HL|S|HR|FR)\.jpe?g)"
_KDEF_STRAIGHT = r"(?i:[AB](?P<person>[FM]\d\d)(?P<expression>AF|AN|DI|HA|NE|SA|SU)S\.jpe?g)"


def _by_name(pattern: str) -> Callable[[DatasetArchive], Listing]:
    """Reads person and expression from the names of the images."""

    def read(archive: DatasetArchive) -> Listing:
        found = [(name, re.search(rf"(?:^|/){pattern}$", name)) for name in archive.names]
        return Listing(
            [
                LabelledFile(name, _EXPRESSIONS[match["expression"].upper()], None, match["person"].upper())
                for name, match in found
                if match
            ],
            [],
        )

    return read


# ExpW: Zhang, Luo, Loy, Tang 2016 (arXiv:1609.06426), and the readme of its labels.
_EXPW_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_EXPW_LIST = r"label\.lst"


def _expw(archive: DatasetArchive) -> Listing:
    images, listing = _by_end(archive), Listing([], [])
    table = _only(archive, _EXPW_LIST)
    where = member_path(archive, table)
    seen: set[tuple[str, str]] = set()
    for number, (name, face, *sides, _, code) in _rows(archive, table, 8):
        line = f"{where}, line {number}"
        label = _decode(line, code, _EXPW_CLASSES)
        if name not in images or (name, face) in seen:
            problem = f"face {face} of {name} again" if name in images else f"no image {name}"
            listing.missing.append(f"{line}: {problem}")
            continue
        seen.add((name, face))
        top, left, right, bottom = _numbers(line, sides)
        box = _box(line, left, top, right - left, bottom - top)
        listing.files.append(LabelledFile(images[name], label, None, box=box, face=face))
    return _checked(archive, listing, "origin/....jpg")


KNOWN_DATASETS = (
    KnownDataset(
        "rafdb",
        "RAF-DB, basic emotions: seven classes, splits train and test",
        "basic",
        (
            Layout(
                ("basic/EmoLabel/list_patition_label.txt", "basic/Image/aligned/train_00001_aligned.jpg"),
                "face crops",
                _has_file(_RAFDB_LIST),
                _rafdb,
            ),
            Layout(
                ("DATASET/train/1/train_00001_aligned.jpg", "DATASET/test/7/test_0001_aligned.jpg"),
                "face crops",
                _most_images(_RAFDB_NUMBERED),
                _rafdb_numbered,
            ),
        ),
    ),
    KnownDataset(
        "affectnet",
        "AffectNet: eight classes with contempt, splits train and validation",
        "affectnet",
        (
            Layout(
                (
                    "Manually_Annotated_file_lists/training.csv",
                    "Manually_Annotated_file_lists/validation.csv",
                    "Manually_Annotated_Images/689/737db2483489148d783ef278.jpg",
                ),
                "marked faces",
                lambda archive: bool(_affectnet_tables(archive)),
                _affectnet,
                "Images labelled none, uncertain or no face are left out.",
            ),
            Layout(
                ("train_set/images/0.jpg", "train_set/annotations/0_exp.npy", "val_set/images/1.jpg"),
                "face crops",
                _has_file(_AFFECTNET_NUMBERED),
                _affectnet_numbered,
            ),
        ),
        _AFFECTNET_NO_CLASSES,
    ),
    KnownDataset(
        "ckplus",
        "CK+: seven classes with contempt, neutral besides in the original; persons",
        "ckplus",
        (
            Layout(
                (
                    "cohn-kanade-images/S005/001/S005_001_00000011.png",
                    "Emotion/S005/001/S005_001_00000011_emotion.txt",
                ),
                "whole images",
                _has_file(rf"{_CKPLUS_FRAME}_emotion\.txt"),
                _ckplus,
                "Of a labelled sequence, the last three frames have its label and the first is neutral.",
            ),
            Layout(
                ("CK+48/anger/S010_004_00000017.png",),
                "face crops",
                _most_images(rf"[A-Za-z]+/{_CKPLUS_FRAME}\.png"),
                _ckplus_crops,
            ),
        ),
    ),
    KnownDataset(
        "jaffe",
        "JAFFE: seven classes; persons",
        "jaffe",
        (Layout(("jaffe/KA.AN1.39.tiff",), "whole images", _most_images(_JAFFE_IMAGE), _by_name(_JAFFE_IMAGE)),),
    ),
    KnownDataset(
        "kdef",
        "KDEF: seven classes; persons",
        "KDEF_and_AKDEF",
        (
            Layout(
                ("KDEF/AF01/AF01AFS.JPG",),
                "whole images",
                _most_images(_KDEF_IMAGE),
                _by_name(_KDEF_STRAIGHT),
                "Straight views; half and full profiles are left out.",
            ),
        ),
    ),
    KnownDataset(
        "expw",
        "ExpW: seven classes",
        "expw",
        (
            Layout(
                ("label/label.lst", "image/origin/afraid_African_214.jpg"),
                "marked faces",
                _has_file(_EXPW_LIST),
                _expw,
            ),
        ),
    ),
)
"""The data sets, in the order in which they are looked for."""

FORMS = tuple(each.form for each in KNOWN_DATASETS)
