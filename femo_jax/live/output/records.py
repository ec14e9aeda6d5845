"""What was recognised, as files: the log of a stream; JSON, csv and annotated copies of images."""

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from femo_jax.errors import ConfigError, FemoError
from femo_jax.files import replacing
from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.draw import draw
from femo_jax.live.results import FrameResult

CSV_COLUMNS = ("path", "width", "height", "face", "x", "y", "w", "h", "label", "confidence")
"""Columns of the csv table; those of the class probabilities follow."""

_WRITTEN = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")  # other formats may not hold what is drawn


class FrameLog:
    """Writes a new log; a context manager. It can be read while it grows: every line but the last is whole."""

    def __init__(self, path: Path) -> None:
        """Begins the log, in place of an older one.

        Args:
          path: of the file; `-` is standard output.

        Raises:
          FemoError: the file cannot be made, or is a named pipe that nothing reads.
        """
        self.path = path
        if path == Path("-"):
            self._file = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
            return
        try:
            if path.is_fifo():
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # fails where opening it would wait for a reader
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise FemoError(f"{path}: cannot be written ({error.strerror}). Choose a file you may write to.") from error

    def write(self, index: int, result: FrameResult, source: str | None = None) -> None:
        """Adds the line of a frame; see `frame_record`.

        Raises:
          FemoError: the disk is full.
          BrokenPipeError: it is a pipe, whose reader has ended.
        """
        line = json.dumps(frame_record(index, result, source), allow_nan=False)
        try:
            self._file.write(line + "\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FemoError(f"{self.path}: could not be written ({error.strerror}). Make room.") from error

    def close(self) -> None:
        """Ends the log; what was written stays."""
        with suppress(OSError):  # `write` has reported the line that could not be written
            self._file.close()

    def __enter__(self) -> "FrameLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame_record(index: int, result: FrameResult, source: str | None = None) -> dict[str, Any]:
    """A line of the log: times are seconds on the source's clock and milliseconds of work, sizes and boxes pixels.

    Args:
      index: counts the frames of the source, also those that it dropped.
      result: of the frame.
      source: the name of the source, where the log has several.
    """
    return {
        "index": index,
        **({} if source is None else {"source": source}),
        "time": round(result.time, 6),
        "width": result.width,
        "height": result.height,
        "detection_ms": round(result.detection_ms, 3),
        "inference_ms": round(result.inference_ms, 3),
        "faces": [face.as_dict() for face in result.faces],
    }


@dataclass(frozen=True, eq=False)
class Prediction:
    """An image file and the faces recognised in it."""

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


def csv_text(predictions: Iterable[Prediction], class_names: Sequence[str]) -> str:
    """A csv table with a row for each face, counted from 1 in each image.

    Its columns are `CSV_COLUMNS` and the class names.

    An image without a face has no row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *class_names])
    for prediction in predictions:
        result = prediction.result
        for number, face in enumerate(result.faces, start=1):
            box = map(round, face.box)
            values = face.confidence, *map(float, face.probabilities)
            writer.writerow([prediction.name, result.width, result.height, number, *box, face.label, *values])
    return text.getvalue()


class AnnotatedFolder:
    """A folder of annotated copies; each has the name of its image, numbered where that is taken: `face-2.jpg`."""

    def __init__(self, folder: Path, images: Sequence[Path], drawing: DrawConfig | None = None) -> None:
        """Chooses a name for each image.

        Args:
          folder: is made when the first copy is written.
          images: files whose copies will be written.
          drawing: what is drawn on them.

        Raises:
          ConfigError: a copy would take the place of one of the images.
        """
        self._folder = folder
        self._drawing = drawing
        self._names = _distinct_names(images)
        originals = {image.resolve() for image in images}
        for name in self._names.values():
            if (folder / name).resolve() in originals:
                raise ConfigError(f"{folder / name} is one of the images itself. Choose another folder for copies.")

    def write(self, prediction: Prediction, image: np.ndarray) -> None:
        """Draws the faces on the image `[h, w, 3] uint8` BGR and writes it.

        Raises:
          FemoError: the file cannot be written.
        """
        write_image(self._folder / self._names[prediction.path], draw(image, prediction.result.faces, self._drawing))


def _distinct_names(images: Sequence[Path]) -> dict[Path, str]:
    """A file name for each image, which no other one has, whatever the case of its letters."""
    names: dict[Path, str] = {}
    taken = set()
    for image in images:
        suffix = image.suffix if image.suffix.lower() in _WRITTEN else ".png"
        name, number = f"{image.stem}{suffix}", 1
        while name.lower() in taken:
            number += 1
            name = f"{image.stem}-{number}{suffix}"
        taken.add(name.lower())
        names[image] = name
    return names


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image in the format that the suffix of `path` names.

    Args:
      path: of the file, such as `face.png`.
      image: `[h, w] uint8` grey or `[h, w, 3] uint8` BGR.

    Raises:
      FemoError: OpenCV writes no such format, or the file cannot be written.
    """
    try:
        done, contents = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise FemoError(
            f"{path}: this OpenCV writes no {path.suffix or 'files without a suffix'}; try .png."
        ) from error
    if not done:
        raise FemoError(f"{path}: the image could not be encoded as {path.suffix}; try .png.")
    with replacing(path) as beside:
        beside.write_bytes(contents.tobytes())
