"""Fills femo's messages and those of `sensor_msgs` from what recognition gives; nothing here knows a node."""

import array
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from femo_msgs.msg import FaceEmotion, FaceEmotionArray, ModelInfo
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from femo_jax.emotions import Emotion
from femo_jax.live import results
from femo_jax.live.image import Box


def faces_message(header: Header, result: results.FrameResult) -> FaceEmotionArray:
    """The faces of a frame, under the header of its image."""
    return FaceEmotionArray(
        header=header,
        image_width=result.width,
        image_height=result.height,
        faces=[face_message(face) for face in result.faces],
    )


def face_message(face: results.FaceEmotion) -> FaceEmotion:
    """One tracked face."""
    return FaceEmotion(
        track_id=face.track_id,
        roi=region(face.box),
        emotion=int(Emotion.from_label(face.label)),
        label=face.label,
        confidence=float(face.confidence),
        probabilities=np.asarray(face.probabilities, np.float32),
        uncertain=bool(face.uncertain),
        age=float(face.age),
    )


def region(box: Box) -> RegionOfInterest:
    """A box inside a frame."""
    whole = box.rounded()
    return RegionOfInterest(x_offset=int(whole.x), y_offset=int(whole.y), width=int(whole.w), height=int(whole.h))


def image_message(header: Header, bgr: np.ndarray) -> Image:
    """An image `[h, w, 3] uint8` in BGR, without padding."""
    height, width = bgr.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding="bgr8",
        is_bigendian=0,
        step=3 * width,
        data=_uint8_sequence(np.ascontiguousarray(bgr).reshape(-1).data),
    )


def jpeg_message(header: Header, jpeg: bytes) -> CompressedImage:
    """A JPEG of a BGR image, labelled as image_transport labels its own."""
    return CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=_uint8_sequence(jpeg))


def model_message(stamp: Time, model: Any) -> ModelInfo:
    """What is known of a loaded model (`femo_jax.model_file.LoadedModel`), with the time at which it was loaded."""
    training: Mapping[str, Any] = model.training
    measured = training.get("evaluation") or training.get("validation") or {}
    pictures = f", {measured['n']} pictures" if "n" in measured else ""
    return ModelInfo(
        header=Header(stamp=stamp),
        name=model.architecture,
        version=_digest(training) if training else "",
        class_names=list(model.classes),
        input_size=model.image_size,
        accuracy=float(measured.get("accuracy", math.nan)),
        accuracy_on=f"{measured.get('split', '')}{pictures}",
    )


def _digest(training: Mapping[str, Any]) -> str:
    """A short name of how a model was made: configuration, data, step and results."""
    return hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()[:12]


def _uint8_sequence(data: Any) -> array.array:
    """What rclpy takes as `uint8[]` without looking at each byte, which takes a hundred times as long."""
    sequence = array.array("B")
    sequence.frombytes(data)
    return sequence
