"""FER-2013 as Kaggle has it (`msambare/fer2013`): `train/<class>/*.jpg` and `test/<class>/*.jpg`.

Folder `test` holds PublicTest and PrivateTest together; only the prefix of a file's name tells them apart.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from femo_jax.data.face import Face
from femo_jax.data.sources import Source, open_file, where
from femo_jax.emotions import Emotion
from femo_jax.errors import DataError
from femo_jax.preprocess import IMAGE_SIZE

_JPEG_END = b"\xff\xd9"
_TEST_PREFIXES = {"PublicTest": "validation", "PrivateTest": "test"}


class Picture(NamedTuple):
    """Where a picture is and what its path says about it.

    Attributes:
      file: its name within the source.
      name: the last three parts of it: `train/angry/Training_3908.jpg`.
      emotion: the class of its folder.
      split: `train`, `validation` or `test`.
    """

    file: str
    name: str
    emotion: Emotion
    split: str


def is_picture(name: str) -> bool:
    """Whether a file is a jpg by its name."""
    return name.lower().endswith((".jpg", ".jpeg"))


def list_pictures(source: Source) -> list[Picture]:
    """Reads split and class of each jpg from its path.

    Raises:
      DataError: a folder or a file's prefix is not one of FER-2013's, or two pictures have the same name.
    """
    pictures = [_picture(source, name) for name in source.names if is_picture(name)]
    _refuse_repeated(source, pictures)
    return pictures


def read_pictures(source: Source, pictures: Iterable[Picture]) -> Iterator[Face]:
    """Decodes pictures.

    Raises:
      DataError: a jpg is cut off or damaged, or not 48 x 48; the message names it.
    """
    for file, name, emotion, split in pictures:
        with open_file(source, file) as opened:
            content = opened.read()
        yield Face(_decode(content, where(source, file)), emotion, split, name)


def _picture(source: Source, file: str) -> Picture:
    parts = file.split("/")[-3:]
    if len(parts) < 3 or parts[0] not in ("train", "test"):
        raise DataError(
            f"{where(source, file)}: expected train/<class>/<picture>.jpg or test/<class>/<picture>.jpg."
            " Give the folder that holds train and test."
        )
    folder, label, picture = parts
    try:
        emotion = Emotion.from_label(label)
    except ValueError as error:
        raise DataError(f"{where(source, file)}: folder {label!r}: {error}. Rename or remove the folder.") from error
    if folder == "train":
        split = "train"
    else:
        prefix = picture.partition("_")[0]
        if prefix not in _TEST_PREFIXES:
            raise DataError(
                f"{where(source, file)}: cannot tell PublicTest from PrivateTest by this name; expected"
                f" {' or '.join(f'{known}_<number>.jpg' for known in _TEST_PREFIXES)}, as in Kaggle's msambare/fer2013."
            )
        split = _TEST_PREFIXES[prefix]
    return Picture(file, "/".join(parts), emotion, split)


def _refuse_repeated(source: Source, pictures: Iterable[Picture]) -> None:
    first: dict[str, str] = {}
    for picture in pictures:
        other = first.setdefault(picture.name, picture.file)
        if other != picture.file:
            raise DataError(
                f"{where(source, picture.file)}: the same picture lies at {other}; the data set seems to be in there"
                " twice. Give the folder of one of them."
            )


def _decode(content: bytes, what: str) -> np.ndarray:
    # A decoder fills the missing part of a cut-off jpg with grey and says nothing.
    if not content.rstrip(b"\0").endswith(_JPEG_END):
        raise DataError(f"{what}: this jpg is cut off or damaged ({len(content)} bytes). Download or unpack it again.")
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError(f"{what}: this jpg is damaged. Download or unpack it again.")
    if image.shape != (IMAGE_SIZE, IMAGE_SIZE):
        height, width = image.shape
        raise DataError(f"{what}: {width} x {height} pixels, expected {IMAGE_SIZE} x {IMAGE_SIZE}.")
    return image
