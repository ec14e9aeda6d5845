import json
import os
from pathlib import Path

import numpy as np
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import FemoError
from femo_jax.live.image import Box
from femo_jax.live.output.frame_log import FrameLog
from femo_jax.live.results import FaceEmotion, FrameResult

FACE = FaceEmotion(Box(10, 20, 30, 40), "happy", 0.75, np.float32([0, 0, 0, 0.75, 0.25, 0, 0]), 4, False, 1.23456)


def result(time=0.0, faces=()):
    return FrameResult(list(faces), time, 640, 480, detection_ms=8.76543, inference_ms=1.5, full_scan=True)


def test_a_line_a_frame(tmp_path):
    path = tmp_path / "new" / "log.jsonl"
    with FrameLog(path) as log:
        log.write(0, result())
        log.write(7, result(1 / 3, [FACE]))
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["faces"] == []
    assert second == {
        "index": 7,
        "time": 0.333333,
        "width": 640,
        "height": 480,
        "detection_ms": 8.765,
        "inference_ms": 1.5,
        "faces": [
            {
                "id": 4,
                "age": 1.235,
                "box": [10, 20, 30, 40],
                "label": "happy",
                "confidence": 0.75,
                "uncertain": False,
                "probabilities": dict(zip(EMOTIONS, [0, 0, 0, 0.75, 0.25, 0, 0], strict=True)),
            }
        ],
    }


def test_a_line_can_be_read_before_the_next_frame(tmp_path):
    with FrameLog(tmp_path / "log.jsonl") as log:
        for index in range(3):
            log.write(index, result())
            assert len((tmp_path / "log.jsonl").read_text().splitlines()) == index + 1


def test_an_older_log_is_replaced(tmp_path):
    for _ in range(2):
        with FrameLog(tmp_path / "log.jsonl") as log:
            log.write(0, result())
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 1


def test_what_is_no_json_is_never_written(tmp_path):
    with FrameLog(tmp_path / "log.jsonl") as log, pytest.raises(ValueError, match="JSON"):
        log.write(0, result(time=float("nan")))
    assert (tmp_path / "log.jsonl").read_text() == ""


def test_a_place_where_nothing_can_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FemoError, match=r"log\.jsonl: cannot be written"):
        FrameLog(tmp_path / "file" / "log.jsonl")


def test_a_full_disk_is_told_once():
    with pytest.raises(FemoError, match="No space left"), FrameLog(Path("/dev/full")) as log:
        log.write(0, result())


def test_a_named_pipe_that_nothing_reads_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FemoError, match="pipe: cannot be written"):
        FrameLog(tmp_path / "pipe")
