"""FER-2013 as Kaggle has it (`msambare/fer2013`): `train/<class>/*.jpg` and `test/<class>/*.jpg`.

Folder `test` holds PublicTest and PrivateTest together there, and the prefix of a file name distinguishes them. Other
copies have a folder for each split: `validation`, `PublicTest` and the like.
"""

import io
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from femo_jax.data.archive import DatasetArchive, member_path, read_image_file
from femo_jax.data.splits import Face
from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif")
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "publictest": "validation",
    "privatetest": "test",
    "test": "test",
}
_TEST_PREFIXES = {"PublicTest": "validation", "PrivateTest": "test"}
_JPEG_END = b"\xff\xd9"
_DEPTH = 3  # parts of a path in which a split and a class are named


class ImageFile(NamedTuple):
    """An image file with the split and class in its path.

    Attributes:
      file: Its name within the archive.
      name: The last three parts of it: `train/angry/Training_3908.jpg`.
      emotion: Class of its folder.
      split: `train`, `validation` or `test`.
    """

    file: str
    name: str
    emotion: Emotion
    split: str


def has_image_suffix(name: str) -> bool:
    """Whether a file has the suffix of an image format."""
    return name.lower().endswith(_IMAGE_SUFFIXES)


def is_in_class_folder(name: str) -> bool:
    """Whether a file lies in `<split>/<class>/`, by the names of the two folders."""
    parts = name.split("/")[-_DEPTH:]
    return len(parts) == _DEPTH and parts[0].lower() in SPLIT_FOLDERS and _emotion(parts[1]) is not None


def has_fer2013_size(archive: DatasetArchive, name: str) -> bool:
    """Whether a file is an image of 48x48 pixels, by its header; true where it is none that Pillow knows."""
    try:
        with Image.open(io.BytesIO(read_image_file(archive, name))) as header:
            return header.size == (IMAGE_SIZE, IMAGE_SIZE)
    except Exception:  # Pillow lets through what its readers happen to raise; reading it will report what is wrong
        return True


def list_images(archive: DatasetArchive) -> tuple[list[ImageFile], list[str]]:
    """Reads split and class of each image from its path.

    Returns:
      The files in class folders, which may turn out to be no images; and the names of all others, which are left out.

    Raises:
      DataError: Images lie in folders that are not FER-2013's, or two of them have the same name.
    """
    names = [name for name in archive.names if is_in_class_folder(name)]
    left_out = [name for name in archive.names if not is_in_class_folder(name)]
    for name in left_out:
        # An image beside the folders train and test is a preview or a figure; within them it would be lost.
        if has_image_suffix(name) and (not names or name.count("/") >= _DEPTH - 1):
            raise DataError(f"{member_path(archive, name)}: {_misplaced(name)}")
    has_validation = any(SPLIT_FOLDERS[name.split("/")[-_DEPTH].lower()] == "validation" for name in names)
    images = [_image_file(archive, name, has_validation) for name in names]
    _refuse_repeated(archive, images)
    return images, [*left_out, *archive.left_out]


def read_image(archive: DatasetArchive, image: ImageFile) -> Face | None:
    """Decodes an image.

    Returns:
      The face; None for a file that is not an image and has no image suffix.

    Raises:
      DataError: The image is cut off or damaged, animated, or not 48 x 48; the message names it.
    """
    content = read_image_file(archive, image.file)
    where = member_path(archive, image.file)
    if not _check_header(content, where, has_image_suffix(image.file)):
        return None
    return Face(_decode(content, where), image.emotion, image.split, image.name)


def _emotion(folder: str) -> Emotion | None:
    try:
        return Emotion.from_synonym(folder)
    except ValueError:
        return None


def _misplaced(name: str) -> str:
    """What is wrong with the path of an image, and what to do."""
    parts = name.split("/")[-_DEPTH:]
    if len(parts) < _DEPTH or parts[0].lower() not in SPLIT_FOLDERS:
        return (
            "expected train/<class>/<image> and test/<class>/<image>, or validation/<class>/<image>. Give the folder"
            " that holds train and test. Prepare images of your own first: `femo data prepare FOLDER`."
        )
    label = parts[1]
    if label.isdigit():
        return (
            f"folder {label!r}: numbers of classes are ambiguous (4 is sad in fer2013.csv, and neutral in alphabetical"
            f" order). Rename the folders to {', '.join(EMOTIONS)}."
        )
    return (
        f"folder {label!r}: unknown emotion {label!r}; expected one of {', '.join(EMOTIONS)}. Rename or remove the"
        " folder."
    )


def _image_file(archive: DatasetArchive, file: str, has_validation: bool) -> ImageFile:
    parts = file.split("/")[-_DEPTH:]
    folder, label, image = parts
    split = SPLIT_FOLDERS[folder.lower()]
    if folder.lower() == "test":
        split = _TEST_PREFIXES.get(image.partition("_")[0], "test" if has_validation else "")
    if not split:
        raise DataError(
            f"{member_path(archive, file)}: this name does not distinguish PublicTest from PrivateTest; expected"
            f" {' or '.join(f'{known}_<number>.jpg' for known in _TEST_PREFIXES)}, as in Kaggle's msambare/fer2013, or"
            " a folder validation beside test. Move the images on which to choose the best epoch there."
        )
    return ImageFile(file, "/".join(parts), Emotion.from_synonym(label), split)


def _refuse_repeated(archive: DatasetArchive, images: Iterable[ImageFile]) -> None:
    first: dict[str, str] = {}
    folders: dict[tuple[str, Emotion], str] = {}
    for image in images:
        other = first.setdefault(image.name, image.file)
        if other != image.file:
            raise DataError(
                f"{member_path(archive, image.file)}: the same image lies at {other}; the data set seems to be in"
                " there twice. Give the folder of one of them."
            )
        split, label, _ = image.name.split("/")
        other = folders.setdefault((split, image.emotion), label)
        if other != label:
            raise DataError(
                f"{member_path(archive, image.file)}: folders {other!r} and {label!r} of {split} are both class"
                f" {image.emotion.label}. Merge them, or rename one."
            )


def _check_header(content: bytes, where: str, claims_image: bool) -> bool:
    """Whether the content is an image of the right size, found out without decoding it: a header may claim anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about sizes that are refused below
            with Image.open(io.BytesIO(content)) as header:
                (width, height), kind = header.size, header.format
                frames = getattr(header, "n_frames", 1)
                if kind != "JPEG" and (width, height) == (IMAGE_SIZE, IMAGE_SIZE):
                    header.load()  # checks that all of it is there
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: {error}; expected {IMAGE_SIZE} x {IMAGE_SIZE} pixels.") from error
    except Exception as error:  # Pillow lets through what its readers of damaged files happen to raise
        if isinstance(error, Image.UnidentifiedImageError) and not claims_image:
            return False
        raise DataError(_damaged(content, where)) from error
    if (width, height) != (IMAGE_SIZE, IMAGE_SIZE):
        raise DataError(f"{where}: {width} x {height} pixels, expected {IMAGE_SIZE} x {IMAGE_SIZE}.")
    if frames > 1:
        raise DataError(f"{where}: holds {frames} images, expected one. Save the one that is meant by itself.")
    # A decoder fills the missing part of a cut-off jpg with grey and reports nothing.
    if kind == "JPEG" and not content.rstrip(b"\0").endswith(_JPEG_END):
        raise DataError(_damaged(content, where))
    return True


def _decode(content: bytes, where: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise DataError(_damaged(content, where)) from error
    if image is None or image.shape != (IMAGE_SIZE, IMAGE_SIZE):
        raise DataError(_damaged(content, where))
    return image


def _damaged(content: bytes, where: str) -> str:
    return f"{where}: this image is cut off or damaged ({len(content)} bytes). Download or unpack it again."
