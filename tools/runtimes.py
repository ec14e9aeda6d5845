"""Compare the runtimes of an exported model with JAX: probabilities of FER-2013, and live frames of clips.

    python tools/runtimes.py fer2013.zip FOLDER

FOLDER holds clips and images; each is a stream. The result goes to results/runtimes.json, from which docs/deploy.md has
its table.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export
from rich.console import Console

from femo_jax.data.load import load_split
from femo_jax.data.splits import Split
from femo_jax.export.litert import save_litert
from femo_jax.export.onnx_file import onnx_model, save_onnx_model
from femo_jax.export.quantize import quantize_on
from femo_jax.export.stablehlo import save_stablehlo
from femo_jax.files import write_json
from femo_jax.live.config import DetectorConfig
from femo_jax.live.detection import create_detector
from femo_jax.live.image import InputImage
from femo_jax.live.onnx_network import OnnxNetwork
from femo_jax.live.recognizer import EmotionRecognizer
from femo_jax.live.results import FrameResult
from femo_jax.live.sources import open_source
from femo_jax.model_file import LoadedModel, logits_function
from femo_jax.onnx_model import OnnxModel, load_onnx_model
from femo_jax.weights import load_model, shipped_names

RESULT = Path(__file__).resolve().parents[1] / "results" / "runtimes.json"
SUFFIXES = (".jpg", ".jpeg", ".png", ".mp4", ".avi", ".mkv")
RUNTIMES = ("onnxruntime", "opencv")

IMAGE_FRAMES = 8
"""How many frames an image is shown for; a face is shown from its second sighting on."""

_BATCH = 256

Probabilities = Callable[[np.ndarray], np.ndarray]
"""`[n, 48, 48] uint8` -> `[n, classes] float32`."""


def on_jax(loaded: LoadedModel) -> Probabilities:
    """The network as it is trained and evaluated, not folded."""
    function = jax.jit(lambda faces: jax.nn.softmax(logits_function(loaded)(faces[..., None])))
    return lambda faces: np.asarray(function(faces))


def on_stablehlo(path: Path) -> Probabilities:
    """A file of `femo export --format stablehlo`."""
    call = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)
    return lambda faces: np.asarray(call(faces))


def on_litert(path: Path) -> Probabilities:
    """A file of `femo export --format litert`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(faces: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(taken["index"], faces.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], faces)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return run


def in_batches(run: Probabilities, faces: np.ndarray) -> np.ndarray:
    """Probabilities of any number of faces."""
    return np.concatenate([run(batch) for batch in np.split(faces, range(_BATCH, len(faces), _BATCH))])


def compared(given: np.ndarray, expected: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Differences of logarithms of probabilities and of probabilities, how many labels differ, and the accuracy."""
    return {
        "largest_difference": float(np.abs(np.log(given) - np.log(expected)).max()),
        "mean_probability_difference": float(np.abs(given - expected).mean()),
        "other_labels": int((given.argmax(axis=1) != expected.argmax(axis=1)).sum()),
        "accuracy": float(np.mean(given.argmax(axis=1) == labels)),
    }


def compare_probabilities(name: str, data: str, split: Split, folder: Path) -> dict[str, Any]:
    """Each runtime beside JAX on one split, and the model in 8-bit integers beside both."""
    loaded, faces = load_model(name), split.images[..., 0]
    expected = in_batches(on_jax(loaded), faces)
    graph = onnx_model(loaded)
    onnx, stablehlo, litert = (folder / f"{name}.{suffix}" for suffix in ("onnx", "stablehlo", "tflite"))
    save_onnx_model(onnx, loaded, graph)
    save_stablehlo(stablehlo, loaded)
    save_litert(litert, loaded)
    exported = load_onnx_model(onnx)
    runs = {runtime: OnnxNetwork(exported, runtime) for runtime in RUNTIMES}
    runs |= {"stablehlo": on_stablehlo(stablehlo), "litert": on_litert(litert)}
    quantized = folder / f"{name}-int8.onnx"
    save_onnx_model(quantized, loaded, quantize_on(graph, loaded, data)[0], quantized=True)
    runs["int8"] = OnnxNetwork(load_onnx_model(quantized), "onnxruntime")
    return {
        "jax": compared(expected, expected, split.labels),
        **{runtime: compared(in_batches(run, faces), expected, split.labels) for runtime, run in runs.items()},
    }


def frames_of(path: Path) -> Iterator[tuple[InputImage, float]]:
    """Frames and times of a clip, or an image that stands still."""
    with open_source(str(path)) as source:
        for frame in source:
            for index in range(IMAGE_FRAMES if frame.still else 1):
                yield InputImage(frame.image), frame.time + index / 30


def shown(result: FrameResult) -> list[tuple[Any, ...]]:
    """What a viewer sees of a frame: the number, box, label and mark of each face."""
    return [(face.track_id, face.box, face.label, face.uncertain) for face in result.faces]


def compare_frames(name: str, folder: Path, exported: OnnxModel) -> dict[str, Any]:
    """Live recognition on each runtime beside that on JAX, frame by frame; all find faces with the same detector."""
    detector = create_detector(DetectorConfig())
    recognizers = {"jax": EmotionRecognizer.load(name, detector, prior="everyday", runtime="jax")}
    for runtime in RUNTIMES:
        recognizers[runtime] = EmotionRecognizer(exported, detector, prior="everyday", runtime=runtime)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    frames = faces = 0
    differing = dict.fromkeys(RUNTIMES, 0)
    largest = dict.fromkeys(RUNTIMES, 0.0)
    for path in paths:
        streams = {runtime: recognizer.stream(None, count(1)) for runtime, recognizer in recognizers.items()}
        for image, time in frames_of(path):
            results = {runtime: stream(image, time) for runtime, stream in streams.items()}
            expected = results.pop("jax")
            frames, faces = frames + 1, faces + len(expected.faces)
            for runtime, result in results.items():
                differing[runtime] += shown(result) != shown(expected)
                for one, other in zip(result.faces, expected.faces, strict=False):
                    difference = np.abs(one.probabilities - other.probabilities).max()
                    largest[runtime] = max(largest[runtime], float(difference))
    return {
        "scenes": len(paths),
        "frames": frames,
        "faces": faces,
        "frames_that_differ": differing,
        "largest_difference": largest,
    }


def measure(data: str, folder: Path, names: Sequence[str], console: Console) -> dict[str, Any]:
    """Everything that the result states."""
    split = load_split(data, "validation")
    report: dict[str, Any] = {"split": "validation", "n": len(split.labels), "models": {}}
    with tempfile.TemporaryDirectory(prefix="femo-") as temporary:
        for name in names:
            report["models"][name] = {
                "probabilities": compare_probabilities(name, data, split, Path(temporary)),
                "live": compare_frames(name, folder, load_onnx_model(Path(temporary) / f"{name}.onnx")),
            }
            console.print({name: report["models"][name]})
    return report


def main() -> None:
    """Measures, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="FER-2013 in any form")
    parser.add_argument("folder", type=Path, help="clips and images with faces")
    arguments = parser.parse_args()
    write_json(RESULT, measure(arguments.data, arguments.folder, shipped_names(), Console()))


if __name__ == "__main__":
    main()
