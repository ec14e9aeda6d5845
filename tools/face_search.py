"""Compare the face search of stills with plain `detectMultiScale(1.1, 5, minSize=(50, 50))`.

    python -m tools.face_search FOLDER --judge yunet.onnx

True faces are those that overlap a face of the judge, a YuNet model, by more than 0.3 (intersection over union). For
each image in which femo finds fewer true faces than OpenCV, a line is printed. Measured on 876 images from the web
with one main face each: femo 786 true faces of 789 boxes in 16.9 s, the default cascade 717 of 728 in 19.5 s, `alt2`
702 of 708 in 18.9 s (one core); no image with fewer true faces. On a portrait photograph of 1200x2133 with 7 small
faces, femo finds 6 (0.1 s), as does `alt2` (0.4 s); the default cascade finds 7 among 10 boxes (0.5 s).
"""

import argparse
import time
from pathlib import Path

import cv2
import cv2.data
import numpy as np

from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import create_detector
from femo_jax.live.image import Box, InputImage, overlaps

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
JUDGE_SIDE = 700
"""Shorter side in pixels to which small images are enlarged for the judge."""


def plain(cascade: cv2.CascadeClassifier, image: InputImage) -> list[Box]:
    """Faces as OpenCV's documentation finds them."""
    return [Box(*map(float, box)) for box in cascade.detectMultiScale(image.grey, 1.1, 5, minSize=(50, 50))]


def judged(judge: cv2.FaceDetectorYN, image: InputImage) -> list[Box]:
    """Faces of an image by YuNet, enlarged up to twice."""
    factor = min(max(JUDGE_SIDE / min(image.width, image.height), 1.0), 2.0)
    enlarged = cv2.resize(image.bgr, None, fx=factor, fy=factor)
    judge.setInputSize((enlarged.shape[1], enlarged.shape[0]))
    _, faces = judge.detect(enlarged)
    return [] if faces is None else [Box(*(face[:4] / factor).tolist()) for face in faces]


def count_true(found: list[Box], truth: list[Box]) -> int:
    """Number of found boxes that are on a true face."""
    return int((overlaps(found, truth).max(axis=1, initial=0.0) > 0.3).sum())


def main() -> None:
    """Print true faces, boxes and seconds of each detector, and the images in which femo finds fewer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", type=Path, required=True, help="a YuNet model file (.onnx)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    judge = cv2.FaceDetectorYN.create(str(arguments.judge), "", (320, 320), 0.6)
    femo = create_detector(DetectorConfig())
    detectors = {"femo": femo.detect}
    for name in ("default", "alt2"):
        cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / f"haarcascade_frontalface_{name}.xml"))
        detectors[name] = lambda image, cascade=cascade: plain(cascade, image)
    totals = {name: np.zeros(3) for name in detectors}
    for path in sorted(each for each in arguments.folder.rglob("*") if each.suffix.lower() in SUFFIXES):
        image = InputImage(cv2.imread(str(path)))
        truth = judged(judge, image)
        true = {}
        for name, detect in detectors.items():
            began = time.process_time()
            found = detect(image)
            seconds = time.process_time() - began
            true[name] = count_true(found, truth)
            totals[name] += (true[name], len(found), seconds)
        if true["femo"] < max(true.values()):
            print(f"{path}: {', '.join(f'{name} {number}' for name, number in true.items())}")
    for name, (faces, boxes, seconds) in totals.items():
        print(f"{name:8} {faces:.0f} true faces of {boxes:.0f} boxes in {seconds:.1f} s")


if __name__ == "__main__":
    main()
