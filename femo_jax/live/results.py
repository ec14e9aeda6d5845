"""Results of recognition: the faces of a still or of a frame, each with its emotion, and the smoothing of emotions.

The probabilities of a tracked face are smoothed over time, and its label changes only for a reason. Times are in
seconds, so that 5 and 60 frames a second behave alike.
"""

import math
from dataclasses import dataclass

import numpy as np

from femo_jax.emotions import EMOTIONS
from femo_jax.live.config import TrackConfig
from femo_jax.live.image import Box, DetectedFace


@dataclass(frozen=True, eq=False)
class FaceEmotion:
    """A face and the emotion that it shows.

    Attributes:
      box: the face in whole pixels of the frame, inside it.
      label: one of `class_names`; of a tracked face the settled one, which may for a moment not be the most probable.
      confidence: the calibrated probability of `label`, 0..1.
      probabilities: `[c] float32` in the order of `class_names`, calibrated, of sum 1; of a tracked face smoothed
        over its classifications so far, the last of which is usually at most `TrackConfig.classify_every_ms` old.
      track_id: the same number for the same face from frame to frame, from 1; None in a still.
      uncertain: the evidence is too thin to act on: no emotion stands out, the crop has hardly any contrast, or the
        face was seen too briefly.
      age: seconds since the track was first seen; 0 in a still.
      contrast: standard deviation of the grey levels of the crop that was classified last; infinite where it was not
        measured.
      class_names: of the model.
      score: how certain the detector was of the face when it last found it, 0..1; None where it does not say.
      landmarks: `[5, 2] float64`, see `femo_jax.live.image.DetectedFace`; None where the detector gives none, and while
        the face is out of sight.
    """

    box: Box
    label: str
    confidence: float
    probabilities: np.ndarray
    track_id: int | None = None
    uncertain: bool = False
    age: float = 0.0
    contrast: float = math.inf
    class_names: tuple[str, ...] = EMOTIONS
    score: float | None = None
    landmarks: np.ndarray | None = None

    @classmethod
    def of_still(
        cls,
        box: Box,
        probabilities: np.ndarray,
        contrast: float,
        class_names: tuple[str, ...] = EMOTIONS,
        *,
        uncertain_below: float,
        min_contrast: float,
    ) -> "FaceEmotion":
        """The most probable class of `[c]` probabilities; uncertain where it or the contrast is below a limit."""
        confidence, contrast = float(probabilities.max()), float(contrast)
        score, landmarks = (box.score, box.landmarks) if isinstance(box, DetectedFace) else (None, None)
        return cls(
            Box(*box),
            class_names[probabilities.argmax()],
            confidence,
            probabilities,
            uncertain=confidence < uncertain_below or contrast < min_contrast,
            contrast=contrast,
            class_names=class_names,
            score=score,
            landmarks=landmarks,
        )

    def as_dict(self) -> dict:
        """As the logs and JSON files have it; `id` and `age` only where the face is tracked."""
        tracked = {} if self.track_id is None else {"id": self.track_id, "age": round(self.age, 3)}
        return {
            **tracked,
            "box": [round(value) for value in self.box],
            "label": self.label,
            "confidence": float(self.confidence),
            "uncertain": self.uncertain,
            "probabilities": {name: float(p) for name, p in zip(self.class_names, self.probabilities, strict=True)},
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
      inference_ms: spent on cropping and classifying those of them that were due, see `TrackConfig.classify_every_ms`;
        in a stream without the time in which the detector searched meanwhile.
      full_scan: a search of the whole frame for new faces, which may be spread over frames, ended with this one.
    """

    faces: list[FaceEmotion]
    time: float
    width: int
    height: int
    detection_ms: float
    inference_ms: float
    full_scan: bool


@dataclass(frozen=True, eq=False)
class SmoothedEmotion:
    """Emotion of a face over its classifications so far.

    Attributes:
      probabilities: `[c] float64`, smoothed, of sum 1.
      label: index of the settled class; for a moment it may not be the most probable.
      span: seconds from the first of them to the last.
      contrast: standard deviation of the grey levels of the last crop; infinite where it was not measured.
    """

    probabilities: np.ndarray
    label: int
    span: float = 0.0
    contrast: float = math.inf

    @property
    def confidence(self) -> float:
        """Smoothed probability of `label`."""
        return float(self.probabilities[self.label])


def first_emotion(probabilities: np.ndarray, contrast: float = math.inf) -> SmoothedEmotion:
    """State after the first classification.

    Args:
      probabilities: `[c]`, of sum 1; the most probable class is the label.
      contrast: of the crop, see `femo_jax.live.image.crop_contrast`.
    """
    probabilities = np.array(probabilities, np.float64)
    return SmoothedEmotion(probabilities, int(probabilities.argmax()), contrast=contrast)


def next_emotion(
    state: SmoothedEmotion,
    probabilities: np.ndarray,
    elapsed: float,
    config: TrackConfig,
    contrast: float = math.inf,
) -> SmoothedEmotion:
    """State after one more classification.

    The smoothing is exponential. While fewer seconds than its time constant were seen, those seconds are the time
    constant: the first classification is one of many then, not the only past.

    Args:
      state: after the classification before.
      probabilities: `[c]` of the new frame, of sum 1.
      elapsed: seconds since the classification before, 0 or more.
      config: its `smoothing_ms` and `hysteresis` are used.
      contrast: of the new crop, see `femo_jax.live.image.crop_contrast`.
    """
    span = state.span + elapsed
    weight = _weight(elapsed, min(config.smoothing_ms / 1000, span))
    smoothed = state.probabilities + weight * (probabilities - state.probabilities)
    challenger = int(smoothed.argmax())
    changes = smoothed[challenger] - smoothed[state.label] > config.hysteresis
    return SmoothedEmotion(smoothed, challenger if changes else state.label, span, contrast)


def is_uncertain(emotion: SmoothedEmotion, age: float, unseen: float, config: TrackConfig) -> bool:
    """Whether the evidence is too thin to act on.

    It is where no emotion stands out, where the last crop has hardly any contrast, where the face was first seen a
    moment ago, and where it has been out of sight for more than half the time after which its track ends.

    Args:
      emotion: of the face.
      age: seconds since the face was first seen.
      unseen: seconds since it was last seen.
      config: its `uncertain_below`, `min_contrast`, `uncertain_for_ms` and `max_age_ms` are used.
    """
    return (
        emotion.confidence < config.uncertain_below
        or emotion.contrast < config.min_contrast
        or age * 1000 < config.uncertain_for_ms
        or unseen * 1000 > config.max_age_ms / 2
    )


def _weight(elapsed: float, time_constant: float) -> float:
    """Weight of a sample that stands for the `elapsed` seconds before it; 1 without smoothing."""
    return -math.expm1(-elapsed / time_constant) if time_constant > 0 else 1.0
