"""The frames of the benchmark: 640x480, made from images and clips, with the true faces where they are known."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from femo_jax.errors import FemoError
from femo_jax.live.image import Box

WIDTH, HEIGHT = 640, 480
SHAPE = (HEIGHT, WIDTH, 3)
FRAMES_PER_SECOND = 30.0
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
CLIP_SUFFIXES = (".mp4", ".avi", ".mkv")

Truth = dict[str, list[Box]]
"""The true boxes of an image by its file name, and of a clip's frame by `NAME#NUMBER`, in pixels of the original."""


@dataclass(frozen=True)
class SceneFrame:
    """A frame, its time in the scene in seconds, and its true boxes, or None where they are not known."""

    image: np.ndarray
    time: float
    truth: list[Box] | None


@dataclass(frozen=True)
class Scene:
    """Consecutive frames of the raw file that make one stream.

    Attributes:
      name: of the file it was made from.
      first: number of its first frame in the raw file.
      times: of its frames, in seconds.
      truth: true boxes of each frame, or None where they are not known.
    """

    name: str
    first: int
    times: list[float]
    truth: list[list[Box] | None]


def write_scenes(path: Path, folder: Path, image_frames: int) -> list[Scene]:
    """Writes the frames of all scenes to one raw file.

    Args:
      path: the file to write: `[frames, 480, 640, 3] uint8` BGR, row by row.
      folder: of images and clips, with their true boxes in XML files where they are known; see `read_truth`.
      image_frames: how many frames an image is shown for.

    Raises:
      FemoError: the folder holds neither images nor clips, or one of them cannot be read.
    """
    scenes = []
    first = 0
    with path.open("wb") as file:
        for name, frames in scene_frames(scene_files(folder), image_frames):
            times, truth = [], []
            for frame in frames:
                file.write(np.ascontiguousarray(frame.image).data)
                times.append(frame.time)
                truth.append(frame.truth)
            scenes.append(Scene(name, first, times, truth))
            first += len(times)
    return scenes


def scene_files(folder: Path) -> list[Path]:
    """The images and clips of a folder, by name.

    Raises:
      FemoError: there are none.
    """
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES + CLIP_SUFFIXES]
    if not paths:
        raise FemoError(f"{folder}: no images or clips ({', '.join(IMAGE_SUFFIXES + CLIP_SUFFIXES)}) in it.")
    return paths


def scene_frames(paths: Sequence[Path], image_frames: int) -> Iterator[tuple[str, Iterator[SceneFrame]]]:
    """The name and the frames of each image and clip, with the true boxes that are known in its folder.

    Raises:
      FemoError: one of them cannot be read.
    """
    truths = {folder: read_truth(folder) for folder in {path.parent for path in paths}}
    for path in paths:
        truth = truths[path.parent]
        if path.suffix.lower() in CLIP_SUFFIXES:
            yield path.name, clip_scene(path, truth)
            continue
        image = cv2.imread(str(path))
        if image is None:
            raise FemoError(f"{path}: cannot be read as an image.")
        yield path.name, image_scene(image, truth.get(path.name), image_frames)


def image_scene(image: np.ndarray, truth: list[Box] | None, count: int) -> Iterator[SceneFrame]:
    """An image as a camera held by hand sees it: fitted into the frame, drifting and growing by a few per cent."""
    fit = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    # Reduced by area first, since an affine warp alone would leave out pixels.
    size = round(image.shape[1] * fit), round(image.shape[0] * fit)
    fitted = cv2.resize(image, size, interpolation=cv2.INTER_AREA if fit < 1 else cv2.INTER_LINEAR)
    for index in range(count):
        time = index / FRAMES_PER_SECOND
        zoom = 1 + 0.04 * math.sin(0.5 * math.tau * time) ** 2
        left = (WIDTH - zoom * size[0]) / 2 + 12 * math.sin(0.3 * math.tau * time)
        top = (HEIGHT - zoom * size[1]) / 2 + 8 * math.sin(0.4 * math.tau * time)
        matrix = np.array([[zoom, 0, left], [0, zoom, top]])
        frame = cv2.warpAffine(fitted, matrix, (WIDTH, HEIGHT))
        yield SceneFrame(frame, time, _moved(truth, zoom * fit, left, top))


def clip_scene(path: Path, truth: Truth) -> Iterator[SceneFrame]:
    """Every frame of a clip, fitted into 640x480, with the time at which the clip shows it."""
    capture = cv2.VideoCapture(str(path))
    step = 1 / (capture.get(cv2.CAP_PROP_FPS) or FRAMES_PER_SECOND)
    index = 0
    while True:
        read, image = capture.read()
        if not read:
            break
        fit = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
        size = round(image.shape[1] * fit), round(image.shape[0] * fit)
        left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
        frame = np.zeros(SHAPE, np.uint8)
        frame[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        yield SceneFrame(frame, index * step, _moved(truth.get(f"{path.name}#{index}"), fit, left, top))
        index += 1
    capture.release()
    if index == 0:
        raise FemoError(f"{path}: cannot be read as a clip.")


def read_truth(folder: Path) -> Truth:
    """The true boxes of all XML files of a folder, in the form of dlib's imglab.

    An `image` element that belongs to a frame of a clip has its number, from 0, in the attribute `frame`.
    """
    truth: Truth = {}
    for path in sorted(folder.glob("*.xml")):
        for image in ElementTree.parse(path).iter("image"):
            name, frame = image.attrib["file"], image.get("frame")
            sides = ("left", "top", "width", "height")
            boxes = [Box(*(float(box.attrib[side]) for side in sides)) for box in image.iter("box")]
            truth[name if frame is None else f"{name}#{frame}"] = boxes
    return truth


def _moved(boxes: Sequence[Box] | None, scale: float, left: float, top: float) -> list[Box] | None:
    if boxes is None:
        return None
    return [Box(scale * x + left, scale * y + top, scale * w, scale * h).clipped(WIDTH, HEIGHT) for x, y, w, h in boxes]
