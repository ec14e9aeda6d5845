"""What the tests of reports share: lines of a frame log, and the log of a scripted clip of drawn faces."""

import json

import cv2
import numpy as np
import pytest

from femo_jax.data.drawn import draw_face
from femo_jax.emotions import EMOTIONS, Emotion
from femo_jax.live.image import Box, CropGeometry
from femo_jax.live.output.records import FrameLog
from femo_jax.live.output.video import VideoWriter
from femo_jax.live.stream import EmotionStream

FRAMES_PER_SECOND = 10.0


def face_entry(label, person=1, confidence=0.8, uncertain=False, box=(10, 20, 40, 40)):
    """A face as a log has it."""
    rest = (1 - confidence) / (len(EMOTIONS) - 1)
    probabilities = {name: confidence if name == label else rest for name in EMOTIONS}
    tracked = {} if person is None else {"id": person, "age": 1.0}
    return {
        **tracked,
        "box": list(box),
        "label": label,
        "confidence": confidence,
        "uncertain": uncertain,
        "probabilities": probabilities,
    }


def frame_line(index, faces, time=None, size=(320, 240)):
    """A line of a log, at ten frames a second."""
    record = {"index": index, "time": index / FRAMES_PER_SECOND if time is None else time}
    record |= {"width": size[0], "height": size[1], "detection_ms": 1.0, "inference_ms": 1.0, "faces": faces}
    return json.dumps(record) + "\n"


@pytest.fixture
def write_log(tmp_path):
    """Writes lines to a log; gives its path."""

    def write(*lines, name="faces.jsonl"):
        path = tmp_path / name
        path.write_text("".join(lines))
        return path

    return write


@pytest.fixture
def two_faces(write_log):
    """Ten seconds: face 1 happy for 4 s, uncertain for 1 s, sad for 5 s; face 2 neutral from second 6 to 8."""
    lines = []
    for index in range(100):
        second = index / FRAMES_PER_SECOND
        faces = [face_entry("happy" if second < 5 else "sad", uncertain=4 <= second < 5)]
        if 6 <= second < 8:
            faces.append(face_entry("neutral", person=2, box=(200, 20, 60, 60)))
        lines.append(frame_line(index, faces))
    return write_log(*lines)


SCRIPT = [(Emotion.HAPPY, 6), (Emotion.SAD, 9), (Emotion.SURPRISE, 5), (Emotion.ANGRY, 8), (Emotion.NEUTRAL, 7)]
"""Emotions of the scripted clip, each with its seconds."""

_SIDE = 96
_PERSON = 3  # the state of the generator of drawn faces that draws this person


class _OneFace:
    geometry = CropGeometry(scale=1.0, shift=0.0)
    box = Box(32, 24, _SIDE, _SIDE)

    def detect(self, image, *, still=True):
        return [self.box]

    def detect_near(self, image, boxes, window, scales):
        return [self.box for _ in boxes]


class _NearestDrawing:
    """A classifier of one drawn person: most probable is the emotion whose drawing is nearest to the crop."""

    class model:  # noqa: N801
        image_size = 48
        classes = EMOTIONS

    detector = _OneFace()

    def __init__(self):
        self._drawings = np.stack([_drawing(emotion) for emotion in Emotion]).astype(float)

    def compile(self):
        """Has nothing to compile."""

    def classify(self, faces):
        distances = np.square(faces[:, None].astype(float) - self._drawings).mean(axis=(2, 3))
        nearest = np.eye(len(Emotion))[distances.argmin(axis=1)]
        return (0.05 / len(Emotion) + 0.95 * nearest).astype(np.float32)


def _drawing(emotion):
    return draw_face(emotion, np.random.default_rng(_PERSON))


@pytest.fixture(scope="session")
def scripted_log(tmp_path_factory):
    """The log of a clip in which a drawn face shows the emotions of `SCRIPT`, followed as `femo live` does."""
    from femo_jax.live.sources import open_source

    folder = tmp_path_factory.mktemp("scripted")
    with VideoWriter(folder / "clip.mp4", FRAMES_PER_SECOND) as clip:
        for emotion, seconds in SCRIPT:
            frame = np.full((144, 192, 3), 90, np.uint8)
            face = cv2.resize(_drawing(emotion), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
            frame[24 : 24 + _SIDE, 32 : 32 + _SIDE] = face[..., None]
            for _ in range(round(seconds * FRAMES_PER_SECOND)):
                clip.write(frame)
    stream = EmotionStream(_NearestDrawing())
    with open_source(folder / "clip.mp4") as frames, FrameLog(folder / "faces.jsonl") as log:
        for frame in frames:
            log.write(frame.index, stream(frame.image, frame.time))
    return folder / "faces.jsonl"
