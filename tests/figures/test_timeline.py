import json

import cv2
import pytest

from femo_jax.emotions import EMOTIONS
from femo_jax.errors import FemoError
from femo_jax.figures.timeline import MOST_FACES, plot_timeline
from femo_jax.report.log import load_log


def write_log(path, faces, frames=20):
    lines = []
    for index in range(frames):
        entries = [
            {
                "id": person,
                "box": [1, 2, 30, 30],
                "label": "sad" if index < frames // 2 else "happy",
                "confidence": 0.5,
                "uncertain": index > frames - 5,
                "probabilities": dict.fromkeys(EMOTIONS, 1 / len(EMOTIONS)),
            }
            for person in range(1, faces + 1)
        ]
        lines.append(json.dumps({"index": index, "time": index / 10, "width": 64, "height": 48, "faces": entries}))
    path.write_text("\n".join(lines) + "\n")
    return load_log(path)


@pytest.mark.parametrize(("faces", "frames"), [(0, 3), (1, 1), (2, 20), (MOST_FACES + 3, 2)])
def test_a_figure_grows_with_its_faces(tmp_path, faces, frames):
    log = write_log(tmp_path / "faces.jsonl", faces, frames)
    plot_timeline(log, tmp_path / "timeline.png", "faces.jsonl")
    height, width = cv2.imread(str(tmp_path / "timeline.png")).shape[:2]
    assert width == 1500
    assert height == pytest.approx(150 * (1.1 + 1.7 * min(max(faces, 1), MOST_FACES)), abs=2)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(FemoError, match="unknown figure format"):
        plot_timeline(write_log(tmp_path / "faces.jsonl", 1), tmp_path / "timeline.gif")
