"""Messages made of what recognition gives: femo's own, images, `vision_msgs` and `foxglove_msgs` where installed."""

import array
import hashlib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from femo_msgs.msg import FaceEmotion, FaceEmotionArray, ModelInfo
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from femo_jax.emotions import class_colors
from femo_jax.errors import ConfigError
from femo_jax.live import results
from femo_jax.live.config import DrawConfig
from femo_jax.live.drawing.draw import label_text
from femo_jax.live.image import Box


def faces_message(header: Header, result: results.FrameResult) -> FaceEmotionArray:
    """Make the message of a frame's faces, under the header of its image."""
    return FaceEmotionArray(
        header=header,
        image_width=result.width,
        image_height=result.height,
        faces=[face_message(face) for face in result.faces],
    )


def face_message(face: results.FaceEmotion) -> FaceEmotion:
    """Make the message of one tracked face."""
    return FaceEmotion(
        track_id=face.track_id,
        roi=region(face.box),
        emotion=face.class_names.index(face.label),
        label=face.label,
        confidence=float(face.confidence),
        probabilities=np.asarray(face.probabilities, np.float32),
        uncertain=bool(face.uncertain),
        age=float(face.age),
    )


def region(box: Box) -> RegionOfInterest:
    """Make a region of a box inside a frame."""
    whole = box.rounded()
    return RegionOfInterest(x_offset=int(whole.x), y_offset=int(whole.y), width=int(whole.w), height=int(whole.h))


def image_message(header: Header, bgr: np.ndarray) -> Image:
    """Make the message of an image `[h, w, 3] uint8` in BGR, without padding."""
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
    """Make the message of a JPEG of a BGR image, labelled as image_transport labels its own."""
    return CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=_uint8_sequence(jpeg))


def model_message(stamp: Time, name: str, model: Any) -> ModelInfo:
    """Make the message about a loaded model.

    Args:
      stamp: when it was loaded.
      name: of the shipped model, or of its file or run folder.
      model: a `femo_jax.model_file.LoadedModel` or `femo_jax.onnx_model.OnnxModel`.
    """
    training: Mapping[str, Any] = model.training
    measured = training.get("evaluation") or training.get("validation") or {}
    images = f", {measured['n']} images" if "n" in measured else ""
    return ModelInfo(
        header=Header(stamp=stamp),
        name=name,
        version=_digest(training) if training else "",
        class_names=list(model.classes),
        input_size=model.image_size,
        accuracy=float(measured.get("accuracy", math.nan)),
        accuracy_on=f"{measured.get('split', '')}{images}",
    )


def _digest(training: Mapping[str, Any]) -> str:
    """A short name of how a model was made: configuration, data, step and results."""
    return hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()[:12]


def _uint8_sequence(data: Any) -> array.array:
    """What rclpy takes as `uint8[]` without looking at each byte, which takes a hundred times as long."""
    sequence = array.array("B")
    sequence.frombytes(data)
    return sequence


def messages_of(package: str, parameter: str, wanted: str) -> Any | None:
    """Import the messages of an optional package; None where they are not to be published.

    Args:
      package: such as `vision_msgs`.
      parameter: by which the user chooses whether they are published.
      wanted: its value: auto, true or false.

    Raises:
      ConfigError: they are wanted, but not installed.
    """
    if wanted == "false":
        return None
    try:
        return importlib.import_module(f"{package}.msg")
    except ImportError as error:
        if wanted == "auto":
            return None
        raise ConfigError(
            f"{parameter} is true, but package {package} cannot be used ({error}). Install"
            f" ros-$ROS_DISTRO-{package.replace('_', '-')}, or set {parameter} to auto or false."
        ) from error


def detections_message(vision_msgs: Any, header: Header, result: results.FrameResult) -> Any:
    """Make a `Detection2DArray`: a detection for each face, with all classes as hypotheses, the most probable first.

    Args:
      vision_msgs: the module `vision_msgs.msg`.
      header: of the image.
      result: of the frame.
    """
    return vision_msgs.Detection2DArray(
        header=header, detections=[_detection(vision_msgs, header, face) for face in result.faces]
    )


def _detection(vision_msgs: Any, header: Header, face: results.FaceEmotion) -> Any:
    detection = vision_msgs.Detection2D(header=header, id=str(face.track_id))
    detection.bbox.center.position.x, detection.bbox.center.position.y = map(float, face.box.center)
    detection.bbox.size_x, detection.bbox.size_y = float(face.box.w), float(face.box.h)
    ranked = sorted(zip(face.probabilities, face.class_names, strict=True), reverse=True)
    detection.results = [_hypothesis(vision_msgs, label, float(probability)) for probability, label in ranked]
    return detection


def _hypothesis(vision_msgs: Any, label: str, probability: float) -> Any:
    hypothesis = vision_msgs.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = label
    hypothesis.hypothesis.score = probability
    return hypothesis


def vision_info_message(vision_msgs: Any, header: Header, method: str, database: str) -> Any:
    """Make a `VisionInfo`: which model the detections come from, and the topic on which its labels are."""
    return vision_msgs.VisionInfo(header=header, method=method, database_location=database)


def label_info_message(vision_msgs: Any, header: Header, classes: Sequence[str]) -> Any:
    """Make a `LabelInfo`: the classes by number; detections have their names as `class_id`."""
    class_map = [vision_msgs.VisionClass(class_id=number, class_name=name) for number, name in enumerate(classes)]
    return vision_msgs.LabelInfo(header=header, class_map=class_map)


def annotations_message(foxglove_msgs: Any, header: Header, result: results.FrameResult, config: DrawConfig) -> Any:
    """Make an `ImageAnnotations`, which Foxglove draws on the camera's images: a box and a label for each face.

    Args:
      foxglove_msgs: the module `foxglove_msgs.msg`.
      header: of the image, whose stamp Foxglove pairs with.
      result: of the frame.
      config: what a label has.
    """
    message = foxglove_msgs.ImageAnnotations()
    if hasattr(message, "timestamp"):  # in newer versions it takes the place of those of the single annotations
        message.timestamp = header.stamp
    for face in result.faces:
        red, green, blue = (value / 255 for value in class_colors(face.class_names)[face.label])
        color = foxglove_msgs.Color(r=red, g=green, b=blue, a=0.5 if face.uncertain else 1.0)
        x, y, w, h = map(float, face.box)
        corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
        box = foxglove_msgs.PointsAnnotation(
            timestamp=header.stamp,
            type=foxglove_msgs.PointsAnnotation.LINE_LOOP,
            points=[foxglove_msgs.Point2(x=across, y=down) for across, down in corners],
            outline_color=color,
            thickness=max(1.0, result.height / 240),
        )
        label = foxglove_msgs.TextAnnotation(
            timestamp=header.stamp,
            position=foxglove_msgs.Point2(x=x, y=y),
            text=label_text(face, config),
            font_size=result.height / 24,
            text_color=foxglove_msgs.Color(r=1.0, g=1.0, b=1.0, a=1.0),
            background_color=foxglove_msgs.Color(a=0.6),
        )
        message.points.append(box)
        message.texts.append(label)
    return message
