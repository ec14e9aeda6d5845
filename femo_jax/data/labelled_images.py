"""Labelled images of one's own: class folders or a csv of paths, with their classes, splits and groups.

Nothing is decoded here: each image is a file of a folder or archive with a label, and what is read of it is its name.
"""

import csv
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from femo_jax.data.archive import DatasetArchive, open_member
from femo_jax.data.csv_form import Table, bounded_lines, describe_header, open_text, read_header
from femo_jax.data.folder_form import SPLIT_FOLDERS, has_image_suffix
from femo_jax.data.reading import data_error
from femo_jax.emotions import canonical_name, check_class_names
from femo_jax.errors import ConfigError, DataError


class LabelledFile(NamedTuple):
    """An image file and what is known of it before it is decoded.

    Attributes:
      file: its name within the folder or archive.
      label: the class as the data set names it.
      split: `train`, `validation` or `test`; None where the data set does not say.
      person: whom it shows; None where the data set does not say.
      box: of the face, `x y width height` in pixels; None where it is the whole image, or is to be detected.
      face: which one of several in the file.
    """

    file: str
    label: str
    split: str | None
    person: str | None = None
    box: tuple[float, float, float, float] | None = None
    face: str = ""

    @property
    def name(self) -> str:
        """The name of the image in the prepared data."""
        return f"{self.file}#{self.face}" if self.face else self.file


@dataclass(frozen=True)
class Columns:
    """Names of the columns in a csv of paths."""

    path: str = "path"
    """Column with the path of each image, relative to the csv."""
    label: str = "label"
    """Column with the class name of each image."""
    split: str = "split"
    """Column with the split of each image: train, validation or test. It may be missing."""


@dataclass(frozen=True)
class Splitting:
    """How a data set without a validation split is divided."""

    val_fraction: float = 0.1
    """Share of the training images of each class that becomes the validation split, where the data have none."""
    seed: int = 0
    """Seed of that choice."""
    test_only: bool = False
    """All images become the test split, whatever split they have: for data to evaluate on, never to train on."""
    group: str | None = None
    """Regular expression; files in which it finds the same text, such as a person, stay in one split. Of an expression
    with a group in parentheses, the text of the first one counts. Persons that a known data set states need none."""

    def __post_init__(self) -> None:
        """Raises ConfigError for values that cannot be."""
        if not 0 < self.val_fraction < 1:
            raise ConfigError(f"val_fraction is {self.val_fraction}: expected more than 0 and less than 1")
        try:
            re.compile(self.group or "")
        except re.error as error:
            raise ConfigError(f"group is {self.group!r}: not a regular expression ({error})") from error


class Mapped(NamedTuple):
    """What became of a class of the data set.

    Attributes:
      label: as the data set names it.
      name: the class name; empty where the class is dropped.
      images: how many it has.
    """

    label: str
    name: str
    images: int


def is_listed(archive: DatasetArchive) -> Table | None:
    """The csv of paths in a folder or archive, or that it is itself; None where there is none."""
    names = [name for name in archive.names if name.lower().endswith((".csv", ".tsv"))]
    return read_header(archive, names[0]) if len(names) == 1 else None


def list_class_folders(archive: DatasetArchive) -> tuple[list[LabelledFile], list[str]]:
    """The images of `<class>/...` or `<split>/<class>/...`, at any depth below a class.

    Folders that all images have in common are passed over, as a zip has one.

    Returns:
      The files with the suffix of an image; and the names of all others.

    Raises:
      DataError: there are no images in class folders, or some lie outside of the others' splits.
    """
    names = [name for name in archive.names if has_image_suffix(name)]
    others = [name for name in archive.names if not has_image_suffix(name)]
    folders = [name.split("/")[:-1] for name in names]
    common = _common_depth(folders)
    has_split = [len(parts) > common and parts[common].lower() in SPLIT_FOLDERS for parts in folders]
    # A data set with one split alone has its folder in common.
    if common and not any(has_split) and folders[0][common - 1].lower() in SPLIT_FOLDERS:
        common, has_split = common - 1, [True] * len(folders)
    found, loose = [], []
    for name, parts, split in zip(names, folders, has_split, strict=True):
        inside = parts[common + split :]
        if inside:
            found.append(LabelledFile(name, inside[0], SPLIT_FOLDERS[parts[common].lower()] if split else None))
        else:
            loose.append(name)
    if not found:
        raise data_error(
            archive.path,
            "no images in class folders. Expected <class>/<image> or <split>/<class>/<image>, with splits named train,"
            " validation and test.",
        )
    if len({each.split is None for each in found}) > 1:
        example = next(each.file for each in found if each.split is None)
        raise data_error(archive.path, f"has folders of splits, but {example} is in none of them. Move or remove it.")
    return found, [*others, *loose, *archive.left_out]


def _common_depth(folders: Sequence[list[str]]) -> int:
    """How many folders all images have in common, but for that of the class where there is only one."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    both = list(zip(first, last, strict=False))
    depth = next((depth for depth, (a, b) in enumerate(both) if a != b), len(both))
    return depth - 1 if depth and first == last else depth


def read_path_table(archive: DatasetArchive, table: Table, columns: Columns) -> list[LabelledFile]:
    """The rows of a csv of paths; the paths are relative to its folder.

    Raises:
      DataError: a column is missing, a row is incomplete, or a file is not there; the message names the line.
    """
    where = f"{archive.path}" if archive.path.is_file() else f"{archive.path / table.name}"
    header = [name.strip().lower() for name in table.header]
    wanted = {name: name.strip().lower() for name in (columns.path, columns.label, columns.split)}
    places = {name: header.index(lower) for name, lower in wanted.items() if lower in header}
    missing = [name for name in (columns.path, columns.label) if name not in places]
    if missing:
        raise DataError(
            f"{where}: column {', '.join(missing)} is missing; found {describe_header(table)}. Name the columns with"
            " --columns.path and --columns.label."
        )
    found = []
    with open_member(archive, table.name) as file:
        lines = csv.reader(bounded_lines(open_text(file, table.encoding)), delimiter=table.delimiter)
        try:
            next(lines)
            for cells in lines:
                if not any(map(str.strip, cells)):
                    continue
                if len(cells) != len(header):
                    raise ValueError(f"{len(cells)} columns, expected {len(header)}")
                split = cells[places[columns.split]].strip().lower() if columns.split in places else ""
                if split and split not in SPLIT_FOLDERS:
                    raise ValueError(f"split {split!r}, expected train, validation or test")
                path, label = (cells[places[name]].strip() for name in (columns.path, columns.label))
                if not path or not label:
                    raise ValueError("the path or the label is empty")
                found.append(LabelledFile(path, label, SPLIT_FOLDERS[split] if split else None))
        except (ValueError, csv.Error) as error:
            raise DataError(f"{where}, line {max(1, lines.line_num)}: {error}") from error
    if len({each.split is None for each in found}) > 1:
        raise DataError(f"{where}: some rows have a split and others have none. Fill in the column, or remove it.")
    return found


def parse_class_map(words: Sequence[str]) -> dict[str, str]:
    """The class map of words such as `happiness=happy`; `contempt=` drops a class.

    Raises:
      ConfigError: a word is not of this form, or a class is mapped twice.
    """
    mapping: dict[str, str] = {}
    for word in words:
        label, equals, name = word.partition("=")
        if not equals or not label.strip():
            raise ConfigError(f"class map {word!r}: expected CLASS=NAME, or CLASS= to drop a class")
        if label.strip() in mapping:
            raise ConfigError(f"class map {word!r}: {label.strip()} is mapped twice")
        mapping[label.strip()] = name.strip()
    return mapping


def map_classes(
    files: Sequence[LabelledFile], class_map: Mapping[str, str]
) -> tuple[list[LabelledFile], list[Mapped], tuple[str, ...]]:
    """Gives each image its class name: that of the map, or else the canonical one.

    Two classes of the data set become one where the map says so, and only there.

    Returns:
      The files that are kept, with class names for labels; what became of each class; and the class names in
      alphabetical order.

    Raises:
      ConfigError: the map names a class that the data do not have, or fewer than two classes are left.
      DataError: two classes have the same canonical name.
    """
    counts = Counter(each.label for each in files)
    unknown = sorted(set(class_map) - set(counts))
    if unknown:
        raise ConfigError(f"class map: the data have no class {unknown[0]!r}; they have {', '.join(sorted(counts))}")
    names = {label: class_map[label] if label in class_map else canonical_name(label) for label in sorted(counts)}
    by_name: dict[str, str] = {}
    for label, name in names.items():
        other = by_name.setdefault(name, label)
        if name and other != label and not (label in class_map and other in class_map):
            raise DataError(
                f"classes {other!r} and {label!r} are both {name!r}. Merge them with"
                f" --class-map {other}={name} {label}={name}, or give one of them another name"
            )
    kept = sorted({name for name in names.values() if name})
    if len(kept) < 2:
        raise DataError(
            f"only one class: {', '.join(kept) or 'none'}. Expected at least two folders or labels, as a classifier"
            " needs"
        )
    mapped = [Mapped(label, name, counts[label]) for label, name in names.items()]
    named = [each._replace(label=names[each.label]) for each in files if names[each.label]]
    return named, mapped, check_class_names(kept)


def assign_splits(files: Sequence[LabelledFile], how: Splitting) -> list[LabelledFile]:
    """Gives each image a split: its own, or a part of the training images becomes the validation split.

    The choice is stratified: each class loses the same share, as nearly as groups allow. It depends on the names of the
    files and the seed alone, so that it is the same everywhere.

    Raises:
      DataError: a class has too few images to divide, or the expression for groups finds nothing or one group alone.
    """
    if how.test_only:
        return [each._replace(split="test") for each in files]
    files = [each if each.split else each._replace(split="train") for each in files]
    if any(each.split == "validation" for each in files):
        return files
    indices = [index for index, each in enumerate(files) if each.split == "train"]
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index in indices:
        groups[_group(files[index], how.group)].append(index)
    if how.group is None and len(groups) < 2 <= len(indices):
        raise DataError(
            f"all training images show one person ({next(iter(groups))}): expected several. Divide them by --group"
        )
    if how.group is not None and len(groups) < 2:
        raise DataError(
            f"group {how.group!r} puts all images into one group ({next(iter(groups), 'none')!r}): expected a part of"
            " the file name that differs, such as a person"
        )
    size = Counter(files[index].label for index in indices)
    small = [label for label, count in sorted(size.items()) if count < 2]
    if small:
        raise DataError(
            f"class {small[0]!r} has one image to train on: expected at least two, one of them for validation. Add"
            f" images, or leave the class out with --class-map {small[0]}="
        )
    wanted = {label: max(1, round(how.val_fraction * count)) for label, count in size.items()}
    chosen: set[int] = set()
    for name in sorted(groups, key=lambda name: hashlib.sha256(f"{how.seed}/{name}".encode(errors="replace")).digest()):
        inside = Counter(files[index].label for index in groups[name])
        gain = sum(min(count, max(0, wanted[label])) - max(0, count - wanted[label]) for label, count in inside.items())
        if gain > 0:
            chosen.update(groups[name])
            wanted = {label: count - inside[label] for label, count in wanted.items()}
    return [each._replace(split="validation") if index in chosen else each for index, each in enumerate(files)]


def _group(image: LabelledFile, pattern: str | None) -> str:
    if pattern is None:
        return image.person or image.file
    found = re.search(pattern, image.file)
    if found is None:
        raise DataError(
            f"group {pattern!r} finds nothing in {image.file!r}: expected a part of every file name, such as a person"
        )
    return found[1] if found.re.groups and found[1] is not None else found[0]
