"""Recognition with JAX, ONNX Runtime and OpenCV alone: size, cold start, memory, speed.

    femo export small -o small.onnx
    python benchmarks/deploy.py small.onnx face.jpg --jax PYTHON --onnxruntime PYTHON --opencv PYTHON

Each PYTHON is the interpreter of a fresh environment: `pip install femo-jax`; the installation without JAX of
docs/deploy.md and `onnxruntime`; the same without it. The sides take turns, round by round; the first round, which
fills the caches, does not count. The result goes to benchmarks/results/deploy.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from harness import machine

from femo_jax.files import write_json

SIDES = ("jax", "onnxruntime", "opencv")
RESULT = Path(__file__).resolve().parent / "results" / "deploy.json"
_WORKER = Path(__file__).resolve().parent / "deploy_worker.py"


def ask(side: str, python: str, *arguments: str) -> dict[str, Any]:
    """What the worker prints, with the seconds that its process took as `seconds`."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    environment.pop("PYTHONPATH", None)
    environment["FEMO_RUNTIME"] = side
    began = time.perf_counter()
    done = subprocess.run([python, _WORKER, *arguments], env=environment, check=True, capture_output=True, text=True)
    return {**json.loads(done.stdout), "seconds": time.perf_counter() - began}


def summary(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """By side, the medians over rounds of cold start, memory and speed.

    Raises:
      ValueError: the sides give an image different labels.
    """
    labels = {tuple(measured["labels"]) for each in rounds for measured in each.values()}
    if len(labels) != 1:
        raise ValueError(f"the sides give different labels: {sorted(labels)}")
    return {
        side: {
            name: statistics.median(each[side][name] for each in rounds)
            for name in ("cold_start_s", "peak_mib", "face_ms")
        }
        for side in rounds[0]
    }


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="ONNX model of femonet-small")
    parser.add_argument("image", help="image with a face")
    for side in SIDES:
        parser.add_argument(f"--{side}", required=True, metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--note", default="", help="what a reader of the result must know")
    arguments = parser.parse_args()
    pythons = {side: getattr(arguments, side) for side in SIDES}
    models = {side: "small" if side == "jax" else arguments.model for side in SIDES}
    rounds = []
    for _ in range(arguments.rounds + 1):
        measured = {}
        for side, python in pythons.items():
            start = ask(side, python, "start", models[side], arguments.image)
            speed = ask(side, python, "speed", models[side])
            measured[side] = {
                "labels": start["labels"],
                "cold_start_s": start["seconds"],
                "peak_mib": start["peak_mib"],
                "face_ms": speed["face_ms"],
            }
        rounds.append(measured)
    sides = summary(rounds[1:])
    for side, python in pythons.items():
        sides[side]["installed_mib"] = ask(side, python, "size")["bytes"] / 2**20
    write_json(
        RESULT,
        {
            "model": "femonet-small",
            "machine": machine(),
            "rounds": arguments.rounds,
            "note": arguments.note,
            "sides": sides,
        },
    )


if __name__ == "__main__":
    main()
