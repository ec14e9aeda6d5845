"""Recognition of single pictures, many at a time."""

import time as clock
from collections.abc import Sequence

import numpy as np

from femo_jax.live.detection.crop import WHOLE, crop_faces
from femo_jax.live.picture import Picture
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.results import FaceEmotion, FrameResult


def recognize_stills(
    recognizer: EmotionRecognizer, pictures: Sequence[Picture], *, whole: bool = False, time: float = 0.0
) -> list[FrameResult]:
    """Recognises pictures that have nothing to do with each other; all their faces are classified together.

    Args:
      recognizer: finds and classifies.
      pictures: one or more.
      whole: each picture is one face and nothing else: no detection.
      time: given to all results, in seconds.

    Returns:
      A result a picture, in their order, with faces as `recognizer` (or `recognizer.whole`) gives them. The time of
      inference is shared out evenly.
    """
    found, detection_ms = [], []
    for picture in pictures:
        began = clock.perf_counter()
        found.append([picture.box] if whole else recognizer.detector.detect(picture))
        detection_ms.append(1000 * (clock.perf_counter() - began))

    began = clock.perf_counter()
    geometry = WHOLE if whole else recognizer.detector.geometry
    crops = [
        crop_faces(picture.grey, boxes, geometry, recognizer.model.image_size)
        for picture, boxes in zip(pictures, found, strict=True)
    ]
    probabilities = iter(recognizer.classify(np.concatenate(crops)))
    faces = [
        [FaceEmotion.of_still(box, next(probabilities), recognizer.uncertain_below) for box in boxes] for boxes in found
    ]
    inference_ms = 1000 * (clock.perf_counter() - began) / len(pictures)

    return [
        FrameResult(
            faces=faces[index],
            time=time,
            width=picture.width,
            height=picture.height,
            detection_ms=detection_ms[index],
            inference_ms=inference_ms,
            full_scan=not whole,
        )
        for index, picture in enumerate(pictures)
    ]
