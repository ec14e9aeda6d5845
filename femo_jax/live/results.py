"""What recognition gives: the faces of a picture or of a frame, each with its emotion."""

from dataclasses import dataclass

import numpy as np

from femo_jax.emotions import EMOTIONS
from femo_jax.live.boxes import Box


@dataclass(frozen=True, eq=False)
class FaceEmotion:
    """A face and the emotion that it shows.

    Attributes:
      box: the face in whole pixels of the frame, inside it.
      label: the emotion, one of `femo_jax.EMOTIONS`; of a tracked face the settled one, which may for a moment not
        be the most probable.
      confidence: the calibrated probability of `label`, 0..1.
      probabilities: `[7] float32` in the order of `femo_jax.EMOTIONS`, calibrated, of sum 1; of a tracked face
        smoothed over time.
      track_id: the same number for the same face from frame to frame, from 1; None in a single picture.
      uncertain: the evidence is too thin to act on: no emotion stands out, or the face was seen too briefly.
      age: seconds since the track was first seen; 0 in a single picture.
    """

    box: Box
    label: str
    confidence: float
    probabilities: np.ndarray
    track_id: int | None = None
    uncertain: bool = False
    age: float = 0.0

    @classmethod
    def of_still(cls, box: Box, probabilities: np.ndarray, uncertain_below: float) -> "FaceEmotion":
        """The most probable emotion of `[7]` probabilities; uncertain where that one is below a limit."""
        confidence = float(probabilities.max())
        label = EMOTIONS[probabilities.argmax()]
        return cls(box, label, confidence, probabilities, uncertain=confidence < uncertain_below)

    def as_dict(self) -> dict:
        """As the logs and JSON files have it; `id` and `age` only where the face is tracked."""
        tracked = {} if self.track_id is None else {"id": self.track_id, "age": round(self.age, 3)}
        return {
            **tracked,
            "box": [round(value) for value in self.box],
            "label": self.label,
            "confidence": float(self.confidence),
            "uncertain": self.uncertain,
            "probabilities": {label: float(p) for label, p in zip(EMOTIONS, self.probabilities, strict=True)},
        }


@dataclass(frozen=True, eq=False)
class FrameResult:
    """What a frame of a stream gave.

    Attributes:
      faces: of all tracks that are alive, in the order of their ids.
      time: of the frame, in seconds on the stream's own clock.
      width: of the frame, in pixels.
      height: of the frame, in pixels.
      detection_ms: spent on finding the faces, in milliseconds.
      inference_ms: spent on cropping and classifying them.
      full_scan: the whole frame was searched for new faces.
    """

    faces: list[FaceEmotion]
    time: float
    width: int
    height: int
    detection_ms: float
    inference_ms: float
    full_scan: bool
