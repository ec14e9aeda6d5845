"""Which square about a detector's box shows what FER-2013 shows?

python tools/crop_margin.py SOURCE... --yunet face_detection_yunet.onnx --fer2013 fer2013.zip [--model F]

SOURCE is an image with faces, a folder of them, or a clip, of which one frame in `--every` is used. YuNet's marks of
eyes and mouth are the ruler. It prints

1. where eyes and mouth lie in FER-2013's squares (without `--fer2013`: as once measured), and the boxes that the Haar
   detector gives for the squares themselves, enlarged and with their border pixels repeated about them;
2. for each detector the square about its boxes in which eyes and mouth lie at the same place: `scale` and `shift` as
   `CropGeometry` has them, median and standard deviation over the faces that look into the camera;
3. as a cross-check, the network's mean confidence on these faces over a grid of scales and shifts. It need not be
   highest where the network is right most often, but a steep fall would indicate a wrong square.

Two minutes for 1,500 faces of FER-2013, eight images and two clips of some seconds.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from femo_jax import EmotionRecognizer
from femo_jax.data.forms import iterate_faces
from femo_jax.errors import FemoError
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import Detector, create_detector
from femo_jax.live.image import Box, CropGeometry, InputImage, crop_faces
from femo_jax.live.sources import open_source
from femo_jax.preprocess import IMAGE_SIZE

ENLARGED = 4
"""Factor by which FER-2013's images are enlarged before faces are looked for in them."""

BORDER = 64
"""Pixels about an enlarged image."""

SCORE = 0.9
"""Smallest score of a face whose marks count."""

TURNED = 0.2
"""Distance of the nose from the middle of the eyes, relative to the eyes' distance, of a face that looks aside."""

SCALES = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
SHIFTS = (-0.1, -0.05, 0.0, 0.05, 0.1)


class Marks(NamedTuple):
    """Eyes and mouth of a face, in pixels of its image or as fractions of a square.

    Attributes:
      eyes: the middle between the eyes, `[2]`.
      mouth: the middle between the corners of the mouth, `[2]`.
      eye_distance: from eye to eye.
      turned: distance of the nose from the eyes' middle, as a fraction of `eye_distance`.
    """

    eyes: np.ndarray
    mouth: np.ndarray
    eye_distance: float
    turned: float

    @property
    def middle(self) -> np.ndarray:
        """The middle between eyes and mouth."""
        return (self.eyes + self.mouth) / 2

    @property
    def extent(self) -> float:
        """How large the face is: the geometric mean of eye to eye and of eyes to mouth, so that no pose dominates."""
        return float(np.sqrt(self.eye_distance * np.linalg.norm(self.eyes - self.mouth)))


FER2013 = Marks(np.array([0.498, 0.399]), np.array([0.497, 0.742]), 0.359, 0.0)
"""The median of 940 faces of FER-2013's Training, as measured with this experiment's defaults."""


def find_marks(ruler: cv2.FaceDetectorYN, grey: np.ndarray) -> list[Marks]:
    """Eyes and mouths of all faces in an image `[h, w] uint8`."""
    ruler.setInputSize((grey.shape[1], grey.shape[0]))
    _, faces = ruler.detect(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    marks = []
    for points in [] if faces is None else faces[:, 4:14].reshape(-1, 5, 2).astype(np.float64):
        eyes, nose, mouth = points[:2].mean(axis=0), points[2], points[3:].mean(axis=0)
        distance = float(np.linalg.norm(points[0] - points[1]))
        marks.append(Marks(eyes, mouth, distance, abs(nose[0] - eyes[0]) / distance))
    return marks


def fer2013_faces(path: Path, count: int) -> Iterator[np.ndarray]:
    """Faces of Training spread over all of it, enlarged and with a border, each `[h, w] uint8`."""
    faces = [face.image for face in iterate_faces(path) if face.split == "train"]
    for image in faces[:: max(len(faces) // count, 1)]:
        enlarged = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        yield cv2.copyMakeBorder(enlarged, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)


def measure_fer2013(console: Console, path: Path, count: int, ruler: cv2.FaceDetectorYN) -> Marks:
    """Prints and returns where eyes and mouth lie in FER-2013's squares; prints Haar's boxes of the squares."""
    side = ENLARGED * IMAGE_SIZE
    detector = create_detector(DetectorConfig(min_size=0.3))
    marks, boxes = [], []
    for image in fer2013_faces(path, count):
        marks += find_marks(ruler, image)[:1]
        boxes += detector.detect(InputImage(image))[:1]
    marks = [Marks((m.eyes - BORDER) / side, (m.mouth - BORDER) / side, m.eye_distance / side, m.turned) for m in marks]
    eyes, mouth, eye_distances, turned = (np.array(values) for values in zip(*marks, strict=True))
    median = Marks(
        np.median(eyes, axis=0), np.median(mouth, axis=0), float(np.median(eye_distances)), float(np.median(turned))
    )
    spread = np.std([m.extent for m in marks]) / median.extent
    console.print(
        f"FER-2013: eyes at {median.eyes.round(3)}, mouth at {median.mouth.round(3)}, eye to eye"
        f" {median.eye_distance:.3f} of the side; sizes vary by {spread:.0%} ({len(marks)} faces)"
    )
    scale = np.median([side / box.size for box in boxes])
    shift = np.median([(BORDER + side / 2 - box.center[1]) / box.h for box in boxes])
    console.print(f"haar on FER-2013 itself: scale {scale:.3f}, shift {shift:+.3f} ({len(boxes)} faces)")
    return median


def read_images(sources: Sequence[str], every: int) -> list[InputImage]:
    """All images, and one frame in `every` of the clips."""
    images = []
    for name in sources:
        with open_source(name) as source:
            images += [InputImage(frame.image) for frame in source if frame.still or frame.index % every == 0]
    return images


class Pair(NamedTuple):
    """A face as a detector and the ruler found it."""

    image: InputImage
    box: Box
    marks: Marks


def pair_faces(detector: Detector, images: Sequence[InputImage], marks: Sequence[Sequence[Marks]]) -> list[Pair]:
    """The detector's boxes that hold the middle of a face which looks into the camera."""
    return [
        Pair(image, box, face)
        for image, faces in zip(images, marks, strict=True)
        for box, face in itertools.product(detector.detect(image), faces)
        if face.turned < TURNED and (np.abs(face.middle - box.center) < 0.3 * box.size).all()
    ]


def matching_squares(pairs: Sequence[Pair], reference: Marks) -> np.ndarray:
    """Scale and shift of the square in which a face lies as in FER-2013, `[pairs, 2]`."""
    geometries = []
    for _, box, marks in pairs:
        side = marks.extent / reference.extent
        row = marks.middle[1] + (0.5 - reference.middle[1]) * side
        geometries.append((side / box.size, (row - box.center[1]) / box.h))
    return np.array(geometries)


def confidence_grid(recognizer: EmotionRecognizer, pairs: Sequence[Pair]) -> Table:
    """The network's mean confidence on the faces, for each scale (rows) and shift (columns)."""
    table = Table("scale \\ shift", *(f"{shift:+g}" for shift in SHIFTS), title="mean confidence")
    for scale in SCALES:
        cells = []
        for shift in SHIFTS:
            geometry = CropGeometry(scale, shift)
            crops = [crop_faces(image.grey, [box], geometry) for image, box, _ in pairs]
            cells.append(f"{recognizer.classify(np.concatenate(crops)).max(axis=1).mean():.3f}")
        table.add_row(f"{scale:g}", *cells)
    return table


@dataclass(frozen=True)
class Options:
    """Finds the square about a detector's box that shows what FER-2013 shows."""

    sources: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Images, folders of images, or clips."""
    yunet: Path
    """Model file of YuNet, which marks eyes and mouths, and is one of the detectors."""
    fer2013: Path | None = None
    """FER-2013 in any form; without it, what was once measured on it is used."""
    model: Path | None = None
    """Model file; default: the one that ships with femo."""
    count: int = 1500
    """How many faces of FER-2013."""
    every: int = 6
    """One frame in so many of a clip is used."""


def main(options: Options) -> None:
    """Measures and prints."""
    console = Console()
    detectors = (DetectorConfig(), DetectorConfig(kind="yunet", model=options.yunet))
    recognizers = {config.kind: EmotionRecognizer.load(options.model, config) for config in detectors}
    ruler = cv2.FaceDetectorYN.create(str(options.yunet), "", (320, 320), SCORE)
    reference = FER2013
    if options.fer2013:
        reference = measure_fer2013(console, options.fer2013, options.count, ruler)

    images = read_images(options.sources, options.every)
    marks = [find_marks(ruler, image.grey) for image in images]
    for kind, recognizer in recognizers.items():
        pairs = pair_faces(recognizer.detector, images, marks)
        if not pairs:
            raise FemoError(f"{kind} finds no face that looks into the camera; name more images.")
        squares = matching_squares(pairs, reference)
        (scale, shift), (scale_std, shift_std) = np.median(squares, axis=0), squares.std(axis=0)
        console.print(
            f"\n{kind}: scale {scale:.3f} (std {scale_std:.3f}), shift {shift:+.3f} (std {shift_std:.3f}),"
            f" {len(pairs)} faces in {len(images)} images; in use: {recognizer.detector.geometry}"
        )
        console.print(confidence_grid(recognizer, pairs))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except FemoError as error:
        sys.exit(str(error))
