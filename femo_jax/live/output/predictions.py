"""What was recognised in picture files, as JSON, csv or annotated copies of them."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError
from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.draw import draw
from femo_jax.live.output.picture_file import write_picture
from femo_jax.live.results import FrameResult

CSV_COLUMNS = ("path", "width", "height", "face", "x", "y", "w", "h", "label", "confidence", *EMOTIONS)

_WRITTEN = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")  # other formats may not hold what is drawn


@dataclass(frozen=True, eq=False)
class Prediction:
    """A picture file and what was recognised in it."""

    path: Path
    result: FrameResult
    address: str | None = None
    """Where it was downloaded from, without its secrets; None for a file."""

    @property
    def name(self) -> str:
        """The address, or else the path."""
        return self.address or str(self.path)

    def as_dict(self) -> dict[str, Any]:
        """As the JSON files have it: path, width, height and the list of faces."""
        faces = [face.as_dict() for face in self.result.faces]
        return {"path": self.name, "width": self.result.width, "height": self.result.height, "faces": faces}


def csv_text(predictions: Iterable[Prediction]) -> str:
    """A csv table with the columns of `CSV_COLUMNS` and a row for each face, counted from 1 in each image.

    An image without a face has no row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for prediction in predictions:
        result = prediction.result
        for number, face in enumerate(result.faces, start=1):
            box = map(round, face.box)
            values = face.confidence, *map(float, face.probabilities)
            writer.writerow([prediction.name, result.width, result.height, number, *box, face.label, *values])
    return text.getvalue()


class AnnotatedFolder:
    """A folder of annotated copies; each has the name of its picture, numbered where that is taken: `face-2.jpg`."""

    def __init__(self, folder: Path, pictures: Sequence[Path], drawing: DrawConfig | None = None) -> None:
        """Chooses a name for each picture.

        Args:
          folder: is made when the first copy is written.
          pictures: files whose copies will be written.
          drawing: what is drawn on them.

        Raises:
          ConfigError: a copy would take the place of one of the pictures.
        """
        self._folder = folder
        self._drawing = drawing
        self._names = _distinct_names(pictures)
        originals = {picture.resolve() for picture in pictures}
        for name in self._names.values():
            if (folder / name).resolve() in originals:
                raise ConfigError(f"{folder / name} is one of the pictures itself. Choose another folder for copies.")

    def write(self, prediction: Prediction, image: np.ndarray) -> None:
        """Draws the faces on the picture `[h, w, 3] uint8` BGR and writes it.

        Raises:
          FemoError: the file cannot be written.
        """
        write_picture(self._folder / self._names[prediction.path], draw(image, prediction.result.faces, self._drawing))


def _distinct_names(pictures: Sequence[Path]) -> dict[Path, str]:
    """A file name for each picture, which no other one has, whatever the case of its letters."""
    names: dict[Path, str] = {}
    taken = set()
    for picture in pictures:
        suffix = picture.suffix if picture.suffix.lower() in _WRITTEN else ".png"
        name, number = f"{picture.stem}{suffix}", 1
        while name.lower() in taken:
            number += 1
            name = f"{picture.stem}-{number}{suffix}"
        taken.add(name.lower())
        names[picture] = name
    return names
