"""Faces as `vision_msgs/Detection2DArray`, for programs that know nothing of femo."""

from typing import Any

from std_msgs.msg import Header

from femo_jax.emotions import EMOTIONS
from femo_jax.live.results import FaceEmotion, FrameResult


def detections_message(vision_msgs: Any, header: Header, result: FrameResult) -> Any:
    """One detection a face with all seven emotions as hypotheses, the most probable first.

    Args:
      vision_msgs: the module `vision_msgs.msg`.
      header: of the image.
      result: of the frame.
    """
    return vision_msgs.Detection2DArray(
        header=header, detections=[_detection(vision_msgs, header, face) for face in result.faces]
    )


def _detection(vision_msgs: Any, header: Header, face: FaceEmotion) -> Any:
    detection = vision_msgs.Detection2D(header=header, id=str(face.track_id))
    detection.bbox.center.position.x, detection.bbox.center.position.y = map(float, face.box.center)
    detection.bbox.size_x, detection.bbox.size_y = float(face.box.w), float(face.box.h)
    ranked = sorted(zip(face.probabilities, EMOTIONS, strict=True), reverse=True)
    detection.results = [_hypothesis(vision_msgs, label, float(probability)) for probability, label in ranked]
    return detection


def _hypothesis(vision_msgs: Any, label: str, probability: float) -> Any:
    hypothesis = vision_msgs.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = label
    hypothesis.hypothesis.score = probability
    return hypothesis
