import json

import numpy as np

from femo_jax import EMOTIONS
from femo_jax.live.image import Box
from femo_jax.live.results import FaceEmotion

PROBABILITIES = np.array([0.05, 0.0, 0.05, 0.7, 0.1, 0.05, 0.05], np.float32)


def test_a_face_as_json_has_whole_pixels_and_every_emotion():
    face = FaceEmotion(Box(1, 2, 30, 40), "happy", 0.7, PROBABILITIES)
    record = json.loads(json.dumps(face.as_dict()))
    assert record["box"] == [1, 2, 30, 40]
    assert list(record["probabilities"]) == list(EMOTIONS)
    assert record["probabilities"]["happy"] == PROBABILITIES[3]
    assert "id" not in record


def test_a_tracked_face_has_its_number_and_age():
    record = FaceEmotion(Box(1, 2, 30, 40), "happy", 0.7, PROBABILITIES, track_id=4, age=1.23456).as_dict()
    assert (record["id"], record["age"]) == (4, 1.235)
