"""One side of `deploy.py`, in the interpreter that it measures: `python deploy_worker.py size|start|speed ...`.

`size` prints the installed bytes; `start MODEL IMAGE` recognises one image in a fresh process; `speed MODEL` prints the
milliseconds of a face. Imports nothing but what its side needs.
"""

import json
import sys
import time
from importlib.metadata import distributions
from pathlib import Path

NOT_NEEDED = ("pip", "setuptools", "wheel")
"""Distributions that a virtual environment has of itself."""

_FACES = 64
_ROUNDS = 20


def installed_bytes() -> int:
    """The size of the files of all distributions of the environment, without compiled bytecode."""
    files = {
        Path(str(file.locate()))
        for each in distributions()
        if each.metadata["Name"].lower() not in NOT_NEEDED
        for file in each.files or []
    }
    return sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".pyc")


def start(model: str, image: str) -> dict:
    """Recognises the faces of an image; returns their labels and the most memory that the process had, in MiB."""
    from femo_jax import EmotionRecognizer

    labels = [face.label for face in EmotionRecognizer.load(model)(image)]
    status = Path("/proc/self/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return {"labels": labels, "peak_mib": int(peak) / 1024}


def speed(model: str) -> dict:
    """Milliseconds of a face that is recognised alone, the median of many; detection is left out."""
    import numpy as np

    from femo_jax import EmotionRecognizer

    recognizer = EmotionRecognizer.load(model)
    faces = np.random.default_rng(0).integers(0, 256, (_FACES, 48, 48), dtype=np.uint8)
    taken = []
    for _ in range(_ROUNDS):
        for index in range(_FACES):
            began = time.perf_counter()
            recognizer.classify(faces[index : index + 1])
            taken.append(time.perf_counter() - began)
    return {"face_ms": 1000 * float(np.median(taken))}


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    measure = {"size": lambda: {"bytes": installed_bytes()}, "start": start, "speed": speed}[what]
    print(json.dumps(measure(*arguments)))
